# The front door for developers; CI runs the same recipes.

# Lists the recipes.
_default:
    @just --list

# Formats, then looks for mistakes without running anything.
check:
    cargo fmt
    cargo clippy --all-targets --locked -- -D warnings

# Runs every test, and installs the tools that they need where these are missing.
test *arguments:
    tests/run {{arguments}}

# Does all that a change must pass before it is taken.
ci:
    .ci/run

# Runs the program as it stands in this folder; without arguments, its demonstration.
run-local *arguments='demo':
    cargo run --quiet --locked -- {{arguments}}

# Builds the documentation of the code, with warnings denied, and opens it.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --open

# Measures, with the optimised build.
bench *arguments:
    cargo bench --locked {{arguments}}
