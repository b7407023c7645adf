//! What goes over the wire to an S3 server, and what is made of its answers. Each defect of the vendor's bucket methods
//! has its test here, named after what holds instead.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that cannot go on panics; modules share by pub")]

mod support;
mod wire;
