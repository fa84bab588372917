//! Which way a request goes, and which way it came.

mod diversion;
mod flow_timer;
mod history_info;
mod max_breadth;
mod path;
mod reason;
mod service_route;
mod user_to_user;

pub use self::diversion::Diversion;
pub use self::flow_timer::FlowTimer;
pub(super) use self::history_info::history_target;
pub use self::history_info::{HistoryInfo, HistoryTarget};
pub use self::max_breadth::MaxBreadth;
pub use self::path::Path;
pub use self::reason::{IsupLocation, Reason};
pub use self::service_route::ServiceRoute;
pub use self::user_to_user::UserToUser;
