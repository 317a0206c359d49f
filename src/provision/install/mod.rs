//! What is put onto an instance: the proxy's configuration, its unit and the script that installs them. Texts alone;
//! who carries them there is somebody else's.

mod elf;
mod proxy_config;
mod script;

pub use super::resource::object_key;
pub use elf::{ElfError, architecture_of};
pub use proxy_config::proxy_config;
pub use script::{
    MAX_USER_DATA, Program, ProgramError, install_script, installation, script_of, status_script,
    stop_seconds, unit, user_data,
};
