use super::*;

fn server() -> SocketAddr {
    "192.0.2.7:5060".parse().unwrap()
}

fn via(params: &str) -> String {
    format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa{params}")
}

fn told(loss: u8, sequence: &str) -> String {
    via(&format!(
        ";oc={loss};oc-algo=\"loss\";oc-validity=10000;oc-seq={sequence}"
    ))
}

fn throttle() -> (Throttle, Instant) {
    (Throttle::new(&Seed::from_bytes([7; 32])), Instant::now())
}

/// Of a thousand requests of a class, how many go.
fn taken(throttle: &Throttle, class: Class, now: Instant) -> u32 {
    (0..1000)
        .map(|_| u32::from(throttle.takes(server(), class, now)))
        .sum()
}

#[test]
fn rfc7339_5_1_a_server_that_left_the_parameters_as_they_were_knows_nothing_of_it() {
    assert_eq!(Report::of(&via(";oc;oc-algo=\"loss\"")), None);
    assert_eq!(Report::of(&via("")), None);
}

#[test]
fn rfc7339_4_what_a_report_says() {
    let report = Report::of(&via(
        ";received=192.0.2.111;oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.782",
    ));
    let sequence = Some(Sequence {
        whole: 1_282_321_615,
        fraction: 78_200,
    });
    assert_eq!(
        report,
        Some(Report {
            loss: 20,
            validity: Duration::from_millis(500),
            sequence
        })
    );
    // §4.3: 500 milliseconds when it does not say; §6: the first report of the example has no number.
    let report = Report::of(&via(";oc=0;oc-algo=\"loss\""));
    assert_eq!(
        report,
        Some(Report {
            loss: 0,
            validity: VALIDITY,
            sequence: None
        })
    );
    for nonsense in [
        ";oc=101;oc-algo=\"loss\"",
        ";oc=-1;oc-algo=\"loss\"",
        ";oc=20;oc-algo=\"rate\"",
        ";oc=20;oc-algo=\"loss,rate\"",
        ";oc=20",
        ";oc=20;oc-algo=\"loss\";oc-validity=soon",
        ";oc=20;oc-algo=\"loss\";oc-seq=1.2.3",
        ";oc=20;oc-algo=\"loss\";oc-seq=1234567890123",
        // §4.3: a time without a loss is discarded.
        ";oc-algo=\"loss\";oc-validity=500;oc-seq=1.0",
    ] {
        assert_eq!(Report::of(&via(nonsense)), None, "{nonsense}");
    }
}

#[test]
fn rfc7339_7_2_so_many_of_a_hundred_are_held_back() {
    let (throttle, now) = throttle();
    throttle.heard(server(), &told(40, "1.0"), now);
    // Four of five requests begin something, as long as nothing was counted: half of them are held back.
    let new = taken(&throttle, Class::New, now);
    assert!((440..=560).contains(&new), "{new}");
    for class in [Class::Dialog, Class::Ending, Class::Emergency] {
        assert_eq!(taken(&throttle, class, now), 1000, "{class:?}");
    }
    assert_eq!(throttle.held_back(), u64::from(1000 - new));
    assert_eq!(throttle.servers(now), 1);
}

#[test]
fn rfc7339_7_2_the_mix_is_what_was_seen() {
    let (throttle, now) = throttle();
    throttle.heard(server(), &told(25, "1.0"), now);
    let (_, _) = (
        taken(&throttle, Class::New, now),
        taken(&throttle, Class::Dialog, now),
    );
    // Half and half, so that 25 of all are 50 of a hundred of the first.
    let later = now + PERIOD;
    let new = taken(&throttle, Class::New, later);
    assert!((440..=560).contains(&new), "{new}");
    assert_eq!(taken(&throttle, Class::Dialog, later), 1000);
}

#[test]
fn rfc7339_7_2_when_what_is_new_is_not_enough_the_rest_follows() {
    let (throttle, now) = throttle();
    throttle.heard(server(), &told(90, "1.0"), now);
    assert_eq!(taken(&throttle, Class::New, now), 0);
    // 10 of the 20 that are left.
    let dialog = taken(&throttle, Class::Dialog, now);
    assert!((440..=560).contains(&dialog), "{dialog}");
    // §5.5: never more than the server allows.
    throttle.heard(server(), &told(100, "2.0"), now);
    assert_eq!(taken(&throttle, Class::New, now), 0);
    assert_eq!(taken(&throttle, Class::Emergency, now), 0);
}

#[test]
fn rfc7339_5_4_a_report_is_of_one_address_and_port() {
    let (throttle, now) = throttle();
    throttle.heard(server(), &told(100, "1.0"), now);
    for other in ["192.0.2.7:5061", "192.0.2.8:5060"] {
        assert!(throttle.takes(other.parse().unwrap(), Class::New, now));
    }
    assert!(!throttle.takes(server(), Class::New, now));
}

#[test]
fn rfc7339_5_4_late_reports_change_nothing() {
    let (throttle, now) = throttle();
    let loss = |throttle: &Throttle| throttle.lock().told[&server()].loss;
    throttle.heard(server(), &told(30, "1282321615.782"), now);
    for (late, sequence) in [
        (80, "1282321615.782"),
        (81, "1282321615.7"),
        (82, "1282321614.999"),
    ] {
        throttle.heard(server(), &told(late, sequence), now);
        assert_eq!(loss(&throttle), 30);
    }
    throttle.heard(server(), &told(50, "1282321615.7821"), now);
    assert_eq!(loss(&throttle), 50);
    // §4.4: significantly less than those before is an overflow.
    throttle.heard(server(), &told(60, "5.0"), now);
    assert_eq!(loss(&throttle), 60);
    throttle.heard(server(), &told(70, "6.0"), now);
    assert_eq!(loss(&throttle), 70);
}

#[test]
fn rfc7339_5_7_it_ends_with_its_time() {
    let (throttle, now) = throttle();
    throttle.heard(server(), &via(";oc=100;oc-algo=\"loss\";oc-seq=9.0"), now);
    let end = now + VALIDITY;
    assert!(!throttle.takes(server(), Class::New, end - Duration::from_millis(1)));
    assert!(throttle.takes(server(), Class::New, end));
    assert_eq!(throttle.servers(end), 0);
    // What was stored is reset: a lower number counts again.
    throttle.heard(server(), &told(100, "8.0"), end);
    assert!(!throttle.takes(server(), Class::New, end));
}

#[test]
fn rfc7339_5_7_a_server_ends_it_and_what_is_late_does_not_begin_it_again() {
    let (throttle, now) = throttle();
    throttle.heard(server(), &told(100, "2.0"), now);
    assert!(!throttle.takes(server(), Class::New, now));
    // Whatever `oc` says.
    throttle.heard(
        server(),
        &via(";oc=50;oc-algo=\"loss\";oc-validity=0;oc-seq=3.0"),
        now,
    );
    assert_eq!(taken(&throttle, Class::New, now), 1000);
    throttle.heard(server(), &told(100, "2.5"), now);
    assert_eq!(taken(&throttle, Class::New, now), 1000);
    assert_eq!(throttle.servers(now), 0);
}

#[test]
fn what_many_servers_say_takes_no_more_memory_than_the_limit() {
    let (throttle, now) = throttle();
    for port in 1..=u16::try_from(SERVERS + 100).unwrap() {
        throttle.heard(
            SocketAddr::from(([192, 0, 2, 7], port)),
            &told(10, "1.0"),
            now,
        );
    }
    assert_eq!(throttle.lock().told.len(), SERVERS);
    // Nobody holds it for ever.
    let later = now + Duration::from_secs(11);
    throttle.heard("192.0.2.9:1".parse().unwrap(), &told(10, "1.0"), later);
    assert_eq!(throttle.lock().told.len(), 1);
    throttle.heard(
        server(),
        &via(";oc=10;oc-algo=\"loss\";oc-validity=99999999999;oc-seq=1.0"),
        later,
    );
    assert_eq!(throttle.servers(later + LONGEST), 0);
}

#[test]
fn rfc7339_5_4_reports_in_the_vias_of_others_go_no_further() {
    let others = via(";rport=5060;oc=90;oc-algo=\"loss\";oc-validity=1;oc-seq=1.1;x");
    assert_eq!(
        without_report(&others).as_deref(),
        Some(&*via(";rport=5060;oc;oc-algo=\"loss\";x"))
    );
    for untouched in ["", ";oc;oc-algo=\"loss\"", ";received=192.0.2.1"] {
        assert_eq!(without_report(&via(untouched)), None);
    }
}

/// How many seconds until a request goes there again.
fn pause(throttle: &Throttle, now: Instant) -> u64 {
    (0..)
        .find(|seconds| throttle.takes(server(), Class::New, now + Duration::from_secs(*seconds)))
        .unwrap()
}

#[test]
fn rfc7339_5_9_a_server_that_answers_nothing_gets_no_more() {
    let (throttle, now) = throttle();
    for _ in 0..2 {
        throttle.failed(server(), now);
        assert_eq!(
            taken(&throttle, Class::New, now),
            1000,
            "not repeatedly yet"
        );
    }
    throttle.failed(server(), now);
    for class in [Class::New, Class::Dialog, Class::Ending] {
        assert_eq!(taken(&throttle, class, now), 0, "{class:?}");
    }
    // Others are not meant, and a call for help is worth a try.
    assert!(throttle.takes("192.0.2.8:5060".parse().unwrap(), Class::New, now));
    assert!(throttle.takes(server(), Class::Emergency, now));
    assert_eq!(throttle.servers(now), 1);
    // What was sent before and fails now changes nothing.
    throttle.failed(server(), now);
    // One goes there after a while, and no other as long as nobody knows what becomes of it.
    assert_eq!(pause(&throttle, now), 2);
    let mut at = now + Duration::from_secs(2);
    assert!(!throttle.takes(server(), Class::New, at));
    // Twice as long each time, up to a limit.
    for expected in [4, 8, 16, 32, 64, 64] {
        throttle.failed(server(), at);
        assert_eq!(pause(&throttle, at), expected);
        at += Duration::from_secs(expected);
    }
    // Any response is enough; what it says of overload is honoured.
    throttle.heard(server(), &told(100, "1.0"), at);
    assert_eq!(taken(&throttle, Class::New, at), 0);
    throttle.heard(server(), &told(0, "2.0"), at);
    assert_eq!(taken(&throttle, Class::New, at), 1000);
    // It begins anew.
    throttle.failed(server(), at);
    assert!(throttle.takes(server(), Class::New, at));
}

#[test]
fn rfc7339_5_9_failures_long_ago_are_forgotten_and_servers_are_limited() {
    let (throttle, now) = throttle();
    throttle.failed(server(), now);
    throttle.failed(server(), now);
    let later = now + MEMORY;
    throttle.failed(server(), later);
    assert!(throttle.takes(server(), Class::New, later));
    for number in 0..2 * SERVERS {
        let other = SocketAddr::from(([10, 0, 0, 1], u16::try_from(number).unwrap()));
        throttle.failed(other, later);
    }
    assert!(throttle.lock().silent.len() <= SERVERS);
}

#[test]
fn all_who_have_one_know_the_same() {
    let (throttle, now) = throttle();
    let other = throttle.clone();
    throttle.heard(server(), &told(100, "1.0"), now);
    assert!(!other.takes(server(), Class::New, now));
    assert_eq!(throttle.held_back(), 1);
}
