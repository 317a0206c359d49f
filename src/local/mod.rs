//! The local AWS: one HTTP server, the real wire protocols, one shared state.
