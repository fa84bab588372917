//! [`Reload`]: the configuration file, read again by a running server.

use std::path::PathBuf;
use std::sync::Arc;

use sip_stack::routing::Shared;
use sip_stack::runtime::Workers;

use super::count;
use crate::config::Config;
use crate::output::line;

/// What can be changed while the server runs.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(super) path: Option<PathBuf>,
    pub(super) begun: Config,
    pub(super) routes: Shared,
    pub(super) workers: Workers,
}

impl Reload {
    /// Reads the file and takes what a running server can take: what was done, and what waits for a restart. A file that is
    /// wrong changes nothing.
    pub(crate) async fn run(&self) -> Result<String, String> {
        let path = self
            .path
            .as_ref()
            .ok_or("the server runs without a configuration file")?;
        let config = Config::load(path).map_err(|error| error.to_string())?;
        let mut said = format!(
            "{}: {} now.",
            path.display(),
            count(config.routes.rules().len(), "route")
        );
        let later = self.begun.needs_restart(&config);
        if !later.is_empty() {
            said.push_str(&format!("\nAfter a restart: {}.", later.join(", ")));
        }
        let (guard, probes) = (config.guard(), config.probes.clone());
        self.workers
            .run(move |state, _, now| {
                if let Some(current) = state.stack.guard_mut() {
                    current.configure(guard.clone());
                }
                if let Some(current) = state.stack.probes_mut() {
                    current.set_targets(probes.clone(), now);
                }
            })
            .await
            .map_err(|error| error.to_string())?;
        self.routes.replace(config.routes);
        Ok(said)
    }
}

/// Does so whenever the process gets SIGHUP.
#[cfg(unix)]
pub(super) fn on_hangup(reload: Arc<Reload>) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            super::notify::reloading();
            match reload.run().await {
                Ok(said) => line(&said),
                Err(error) => eprintln!("sip: {error}; nothing is changed"),
            }
            super::notify::ready();
        }
    }))
}
