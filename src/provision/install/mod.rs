//! What is put onto an instance: the proxy's configuration, its unit and the script that installs them. Texts alone;
//! who carries them there is somebody else's.

mod proxy_config;
mod script;

pub use proxy_config::proxy_config;
pub use script::{
    MAX_USER_DATA, Program, ProgramError, install_script, object_key, stop_seconds, unit, user_data,
};
