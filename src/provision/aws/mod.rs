//! The border to AWS: clients, one file per service with a function per call, and what is retried for how
//! long. The only files that name a type of the SDK; what goes in and comes out are the types of `resource`.
//! It decides nothing: which calls are made, and in which order, is said elsewhere.

pub(crate) mod acm;
pub(crate) mod autoscaling;
mod calls;
mod cancel;
mod clients;
pub(crate) mod ec2;
pub(crate) mod elb;
pub(crate) mod elbv2;
mod error;
pub(crate) mod iam;
pub(crate) mod pem;
pub(crate) mod retry;
pub(crate) mod route53;
pub(crate) mod s3;
pub(crate) mod ssm;
pub(crate) mod vpc;

pub use calls::CallCount;
pub use cancel::{Cancel, Canceller, cancellation};
pub use clients::{ClientOptions, Clients, SetupError};
pub use elb::InstanceHealth;
pub use elbv2::TargetHealth;
pub use error::{AwsError, Failure, Service};
pub use vpc::Rules;
