//! The proxy as its peers see it.
