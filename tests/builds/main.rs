//! Stories of builds, told to a fake hub that speaks as Koji does, to Koji's own client, and to rpmbuild.

#![allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")]

mod command;
mod crash;
mod hub;
mod koji;
mod oracle;
mod speed;
mod tls;
mod yard;
