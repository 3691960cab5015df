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
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --locked --open

# Measures, with the optimised build.
bench *arguments:
    cargo bench --locked {{arguments}}

# Does what takes a night: fuzzing, mutants, many cases of each property, all benchmarks. docs/testing.md says more.
nightly minutes='20': (fuzz minutes) mutants properties schemas (crashes '200') benches

# Gives each fuzz target some minutes; what breaks one lies in fuzz/artifacts.
fuzz minutes='2':
    for target in $(cargo fuzz list); do \
        RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$target" -- -max_total_time=$(({{minutes}} * 60)) -timeout=10 -rss_limit_mb=2048 || exit 1; \
    done

# Changes the gate and the decision, one place after the other, and sees that a test notices.
mutants *arguments:
    cargo mutants --file 'src/gate/*.rs' --file 'src/decide/*.rs' --timeout 300 {{arguments}}

# Runs the tests again and again: each time the property tests draw new cases.
properties times='50':
    cargo test --locked --lib --test gate --no-run
    for _ in $(seq {{times}}); do cargo test --quiet --locked --lib --test gate || exit 1; done

# Sends every request that we make at a forge to a server that knows the forge's published schema.
schemas:
    tests/forge-schemas.sh

# Kills the service under load, so often, and looks whether anything was lost or done twice.
crashes times='200':
    LOCKKEEPER_SERVICE_KILLS={{times}} cargo test --locked --test stories service_crash

# Measures the service: from a webhook to the commit, deliveries a second, memory, two nodes beside one.
service-speed:
    cargo build --release --locked
    LOCKKEEPER_PROGRAM=$PWD/target/release/lockkeeper cargo test --locked --test stories service_speed -- --ignored --nocapture --test-threads 1

# Runs every benchmark that needs no tree from elsewhere.
benches:
    cargo build --release --locked --example patch_series
    cargo build --release --locked
    benches/nothing-to-do.sh
    cargo bench --locked --bench verify
    cargo bench --locked --bench landing
    cargo bench --locked --bench index
    benches/patches.sh
