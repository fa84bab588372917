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
fn taken(throttle: &mut Throttle, class: Class, now: Instant) -> u32 {
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
    let (mut throttle, now) = throttle();
    throttle.heard(server(), &told(40, "1.0"), now);
    // Four of five requests begin something, as long as nothing was counted: half of them are held back.
    let new = taken(&mut throttle, Class::New, now);
    assert!((440..=560).contains(&new), "{new}");
    for class in [Class::Dialog, Class::Ending, Class::Emergency] {
        assert_eq!(taken(&mut throttle, class, now), 1000, "{class:?}");
    }
    assert_eq!(throttle.held_back(), u64::from(1000 - new));
    assert_eq!(throttle.servers(now), 1);
}

#[test]
fn rfc7339_7_2_the_mix_is_what_was_seen() {
    let (mut throttle, now) = throttle();
    throttle.heard(server(), &told(25, "1.0"), now);
    let (_, _) = (
        taken(&mut throttle, Class::New, now),
        taken(&mut throttle, Class::Dialog, now),
    );
    // Half and half, so that 25 of all are 50 of a hundred of the first.
    let later = now + PERIOD;
    let new = taken(&mut throttle, Class::New, later);
    assert!((440..=560).contains(&new), "{new}");
    assert_eq!(taken(&mut throttle, Class::Dialog, later), 1000);
}

#[test]
fn rfc7339_7_2_when_what_is_new_is_not_enough_the_rest_follows() {
    let (mut throttle, now) = throttle();
    throttle.heard(server(), &told(90, "1.0"), now);
    assert_eq!(taken(&mut throttle, Class::New, now), 0);
    // 10 of the 20 that are left.
    let dialog = taken(&mut throttle, Class::Dialog, now);
    assert!((440..=560).contains(&dialog), "{dialog}");
    // §5.5: never more than the server allows.
    throttle.heard(server(), &told(100, "2.0"), now);
    assert_eq!(taken(&mut throttle, Class::New, now), 0);
    assert_eq!(taken(&mut throttle, Class::Emergency, now), 0);
}

#[test]
fn rfc7339_5_4_a_report_is_of_one_address_and_port() {
    let (mut throttle, now) = throttle();
    throttle.heard(server(), &told(100, "1.0"), now);
    for other in ["192.0.2.7:5061", "192.0.2.8:5060"] {
        assert!(throttle.takes(other.parse().unwrap(), Class::New, now));
    }
    assert!(!throttle.takes(server(), Class::New, now));
}

#[test]
fn rfc7339_5_4_late_reports_change_nothing() {
    let (mut throttle, now) = throttle();
    let loss = |throttle: &Throttle| throttle.servers[&server()].loss;
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
    let (mut throttle, now) = throttle();
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
    let (mut throttle, now) = throttle();
    throttle.heard(server(), &told(100, "2.0"), now);
    assert!(!throttle.takes(server(), Class::New, now));
    // Whatever `oc` says.
    throttle.heard(
        server(),
        &via(";oc=50;oc-algo=\"loss\";oc-validity=0;oc-seq=3.0"),
        now,
    );
    assert_eq!(taken(&mut throttle, Class::New, now), 1000);
    throttle.heard(server(), &told(100, "2.5"), now);
    assert_eq!(taken(&mut throttle, Class::New, now), 1000);
    assert_eq!(throttle.servers(now), 0);
}

#[test]
fn what_many_servers_say_takes_no_more_memory_than_the_limit() {
    let (mut throttle, now) = throttle();
    for port in 1..=u16::try_from(SERVERS + 100).unwrap() {
        throttle.heard(
            SocketAddr::from(([192, 0, 2, 7], port)),
            &told(10, "1.0"),
            now,
        );
    }
    assert_eq!(throttle.servers.len(), SERVERS);
    // Nobody holds it for ever.
    let later = now + Duration::from_secs(11);
    throttle.heard("192.0.2.9:1".parse().unwrap(), &told(10, "1.0"), later);
    assert_eq!(throttle.servers.len(), 1);
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
