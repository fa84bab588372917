//! What the service manager is told (`sd_notify`, with `Type=notify` or `Type=notify-reload` in the unit): that the server is
//! ready, reads its configuration again, ends, and is alive. Without a manager that wants to know nothing happens.

#[cfg(target_os = "linux")]
use sd_notify::NotifyState;
use sip_stack::runtime::Workers;
use tokio::task::JoinHandle;

/// The server is ready; from now on it says that it is alive as often as the manager wants, as long as all its workers answer.
#[cfg(target_os = "linux")]
pub(super) fn begin(workers: Workers) -> Option<JoinHandle<()>> {
    ready();
    let within = sd_notify::watchdog_enabled()?;
    Some(tokio::spawn(async move {
        loop {
            let answer = tokio::time::timeout(within / 2, workers.run(|_, _, _| ())).await;
            if matches!(answer, Ok(Ok(_))) {
                tell(&[NotifyState::Watchdog]);
            }
            tokio::time::sleep(within / 3).await;
        }
    }))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn begin(_: Workers) -> Option<JoinHandle<()>> {
    None
}

/// The server takes requests.
pub(super) fn ready() {
    #[cfg(target_os = "linux")]
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again; followed by [`ready`].
pub(super) fn reloading() {
    #[cfg(target_os = "linux")]
    if let Ok(since) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, since]);
    }
}

/// The server ends; it may take as long as the calls that run.
pub(super) fn stopping() {
    #[cfg(target_os = "linux")]
    tell(&[NotifyState::Stopping]);
}

#[cfg(target_os = "linux")]
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager is not told");
    }
}
