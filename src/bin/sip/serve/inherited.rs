//! Sockets that the service manager hands over (socket activation: `LISTEN_FDS` and `LISTEN_PID`).

use sip_stack::transport::tokio::Inherited;

/// What was handed over, before anybody has looked at it.
#[derive(Default)]
pub(crate) struct Sockets {
    #[cfg(unix)]
    descriptors: Option<listenfd::ListenFd>,
}

impl Sockets {
    /// What the environment says; it is taken out of there, so that no program started from here believes that it is meant.
    /// To be called while there is one thread.
    #[cfg(unix)]
    pub(crate) fn from_manager() -> Self {
        // Descriptors that are not said to be for this process are somebody else's.
        let descriptors = std::env::var_os("LISTEN_PID").map(|_| listenfd::ListenFd::from_env());
        Self { descriptors }
    }

    #[cfg(not(unix))]
    pub(crate) const fn from_manager() -> Self {
        Self {}
    }

    /// The sockets, or what is wrong with one of them.
    #[cfg(unix)]
    pub(crate) fn into_list(self) -> Result<Vec<Inherited>, String> {
        let Some(mut descriptors) = self.descriptors else {
            return Ok(Vec::new());
        };
        let mut list = Vec::with_capacity(descriptors.len());
        for index in 0..descriptors.len() {
            let number = index + 1;
            let bad = |error| format!("socket {number} of the service manager: {error}");
            let taken = match descriptors.take_udp_socket(index) {
                Ok(Some(socket)) => Inherited::datagrams(socket).map_err(bad)?,
                Ok(None) => continue,
                Err(_) => match descriptors.take_tcp_listener(index) {
                    Ok(Some(listener)) => Inherited::connections(listener).map_err(bad)?,
                    Ok(None) => continue,
                    Err(_) => {
                        return Err(format!(
                            "socket {number} of the service manager is neither for datagrams (ListenDatagram) nor for \
                             connections (ListenStream) over IP"
                        ));
                    }
                },
            };
            list.push(taken);
        }
        Ok(list)
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "as where there are sockets")]
    pub(crate) const fn into_list(self) -> Result<Vec<Inherited>, String> {
        Ok(Vec::new())
    }
}
