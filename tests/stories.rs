//! Stories told to a small world: people, a source-git project, a dist-git, a lookaside cache; and the program
//! itself, run as people run it.
//!
//! What a story asserts of a refusal is always the same: exit code, outcome, the reason's code, and that dist-git
//! and lookaside are as they were.

#![allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")]

mod world;

mod stories {
    mod config;
    mod contained;
    mod contained_hostile;
    mod container;
    mod container_crash;
    mod container_docker;
    mod container_images;
    mod container_limits;
    mod dist_git;
    mod forges;
    mod history;
    mod index;
    mod index_namespace;
    mod index_remote;
    mod interrupted;
    mod keys;
    mod landing;
    mod lookaside;
    mod odd_content;
    mod output;
    mod programs;
    mod prover;
    mod removal;
    mod replay;
    mod service;
    mod service_contained;
    mod service_crash;
    mod service_doors;
    mod service_fence;
    mod service_nodes;
    mod service_queue;
    mod service_speed;
    mod shapes;
    mod sinks;
    mod source;
    mod tags;
    mod transports;
    mod versions;
}
