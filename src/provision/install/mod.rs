//! What is put onto an instance: the proxy's configuration, its unit and the script that installs them. Texts alone;
//! who carries them there is somebody else's.

mod proxy_config;

pub use proxy_config::proxy_config;
