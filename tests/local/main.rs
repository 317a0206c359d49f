//! The local AWS as its clients see it.
