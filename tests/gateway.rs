//! The gateway, over real sockets, in front of implementations written here.
