//! What callers and callees wish for: features, priorities, modes of answering, INFO packages.

mod accept_contact;
mod accept_resource_priority;
mod answer_mode;
mod feature_caps;
mod info_package;
mod priv_answer_mode;
mod recv_info;
mod reject_contact;
mod request_disposition;
mod resource_priority;

pub use self::accept_contact::AcceptContact;
pub use self::accept_resource_priority::AcceptResourcePriority;
pub use self::answer_mode::AnswerMode;
pub use self::feature_caps::FeatureCaps;
pub use self::info_package::InfoPackage;
pub use self::priv_answer_mode::PrivAnswerMode;
pub use self::recv_info::RecvInfo;
pub use self::reject_contact::RejectContact;
pub use self::request_disposition::RequestDisposition;
pub use self::resource_priority::ResourcePriority;
