//! The dialog layer through its public interface: alone over a recording double, and in pairs over a simulated network.

mod authentication;
mod calls;
mod dialogs;
mod digest;
mod phone;
