//! What can be wrong with a configuration: the reason, the code and the repair of each fault, apart from its place.

mod across;
mod form;
mod kind;
mod refused;
mod value;

pub use across::AcrossFault;
pub use form::FormFault;
pub use kind::Problem;
pub use refused::RefusedFault;
pub use value::{ValueFault, Wanted};
