//! The commands of each build system.
//!
//! A distribution's own macros know its compiler flags and paths, so they come first; plain commands stand
//! in their place where a macro is not defined. `%configure`, `%make_build` and `%make_install` are rpm's.

use super::clues::{BuildSystem, Traits};

/// What a build system needs, and the bodies of the spec's sections; constant text throughout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The values of BuildRequires.
    pub needs: Vec<&'static str>,
    /// Whether the package seems to hold no machine code.
    pub noarch: bool,
    /// A section that asks the sources for more BuildRequires; empty: none.
    pub more_needs: &'static str,
    /// Follows `%autosetup`; may be empty.
    pub prep: &'static str,
    pub build: String,
    pub install: &'static str,
    /// Empty: no section.
    pub check: &'static str,
    /// What a person is to check about the build.
    pub review: &'static str,
}

/// Returns the recipe of a build system.
pub(super) fn recipe(build_system: BuildSystem, traits: Traits) -> Recipe {
    match build_system {
        BuildSystem::Meson => meson(traits),
        BuildSystem::Cmake => cmake(traits),
        BuildSystem::Autotools => autotools(traits),
        BuildSystem::Pyproject => pyproject(traits),
        BuildSystem::Cargo => cargo(traits),
        BuildSystem::Go => go(traits),
        BuildSystem::Make => make(traits),
        BuildSystem::None => unknown(),
    }
}

fn with_compilers(mut needs: Vec<&'static str>, traits: Traits) -> Vec<&'static str> {
    if traits.has_c {
        needs.push("gcc");
    }
    if traits.has_cpp {
        needs.push("gcc-c++");
    }
    needs
}

fn meson(traits: Traits) -> Recipe {
    Recipe {
        needs: with_compilers(vec!["meson", "ninja-build"], traits),
        noarch: false,
        more_needs: "",
        prep: "",
        build: "\
%if 0%{?meson_build:1}
%meson
%meson_build
%else
meson setup --prefix=%{_prefix} --libdir=%{_libdir} --sysconfdir=%{_sysconfdir} --buildtype=plain build
meson compile -C build
%endif
"
        .to_owned(),
        install: "\
%if 0%{?meson_install:1}
%meson_install
%else
DESTDIR=%{buildroot} meson install -C build --no-rebuild
%endif
",
        check: "\
%if 0%{?meson_test:1}
%meson_test
%else
meson test -C build
%endif
",
        review: "add a BuildRequires for each dependency() in meson.build",
    }
}

fn cmake(traits: Traits) -> Recipe {
    Recipe {
        needs: with_compilers(vec!["cmake", "make"], traits),
        noarch: false,
        more_needs: "",
        prep: "",
        build: "\
%if 0%{?cmake_build:1}
%cmake
%cmake_build
%else
cmake -S . -B build -DCMAKE_INSTALL_PREFIX=%{_prefix} -DCMAKE_BUILD_TYPE=RelWithDebInfo
cmake --build build %{?_smp_mflags}
%endif
"
        .to_owned(),
        install: "\
%if 0%{?cmake_install:1}
%cmake_install
%else
DESTDIR=%{buildroot} cmake --install build
%endif
",
        check: "\
%if 0%{?ctest:1}
%ctest
%else
cd build && ctest --output-on-failure
%endif
",
        review: "add a BuildRequires for each find_package() in CMakeLists.txt",
    }
}

fn autotools(traits: Traits) -> Recipe {
    let mut needs = vec!["make"];
    let mut build = String::new();
    if !traits.has_configure {
        needs.extend(["autoconf", "automake"]);
        build.push_str("autoreconf --force --install\n");
        if traits.uses_libtool {
            needs.push("libtool");
        }
    }
    build.push_str("%configure\n%make_build\n");
    Recipe {
        needs: with_compilers(needs, traits),
        noarch: false,
        more_needs: "",
        prep: "",
        build,
        install: "\
%make_install
rm -f %{buildroot}%{_infodir}/dir
find %{buildroot} -name '*.la' -delete
",
        check: "make check\n",
        review: "add a BuildRequires for each library and tool that configure looks for",
    }
}

fn pyproject(traits: Traits) -> Recipe {
    let native = traits.has_c || traits.has_cpp || traits.has_rust || traits.has_cython;
    let needs = vec!["python3-devel", "python3-pip", "python3-setuptools", "python3-wheel"];
    Recipe {
        needs: with_compilers(needs, traits),
        noarch: !native,
        more_needs: "\
%if 0%{?pyproject_buildrequires:1}
%generate_buildrequires
%pyproject_buildrequires
%endif
",
        prep: "",
        build: "\
%if 0%{?pyproject_wheel:1}
%pyproject_wheel
%else
python3 -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist .
%endif
"
        .to_owned(),
        install: "\
%if 0%{?pyproject_install:1}
%pyproject_install
%else
python3 -m pip install --no-deps --no-index --root %{buildroot} --prefix %{_prefix} dist/*.whl
%endif
",
        check: "",
        review: "add a check section that runs the tests, and the build backend where it is not setuptools",
    }
}

fn cargo(traits: Traits) -> Recipe {
    let build = match traits.has_cargo_lock {
        true => "cargo build --release --offline --locked",
        false => "cargo build --release --offline",
    };
    Recipe {
        needs: with_compilers(vec!["cargo", "rust"], traits),
        noarch: false,
        more_needs: "\
%if 0%{?cargo_generate_buildrequires:1}
%generate_buildrequires
%cargo_generate_buildrequires
%endif
",
        prep: "\
%if 0%{?cargo_prep:1}
%cargo_prep
%endif
",
        build: format!("%if 0%{{?cargo_build:1}}\n%cargo_build\n%else\n{build}\n%endif\n"),
        install: "\
%if 0%{?cargo_install:1}
%cargo_install
%else
cargo install --offline --no-track --path . --root %{buildroot}%{_prefix}
%endif
",
        check: "\
%if 0%{?cargo_test:1}
%cargo_test
%else
cargo test --release --offline
%endif
",
        review: "crates must be packaged or vendored: a build has no network. In a workspace, name the \
                 member to install",
    }
}

fn go(traits: Traits) -> Recipe {
    let vendor = if traits.has_go_vendor { "-mod=vendor " } else { "" };
    let build = format!(
        "mkdir -p bin\ngo build {vendor}-trimpath -buildmode=pie -ldflags=-linkmode=external -o bin/ ./...\n"
    );
    Recipe {
        // The external linker, gcc's, puts in the build id that debuginfo is found by.
        needs: with_compilers(vec!["golang"], Traits { has_c: true, ..traits }),
        noarch: false,
        more_needs: "",
        prep: "",
        build,
        install: "install -D -m 0755 -t %{buildroot}%{_bindir} bin/*\n",
        check: match traits.has_go_vendor {
            true => "go test -mod=vendor ./...\n",
            false => "go test ./...\n",
        },
        review: "modules must be packaged or vendored: a build has no network",
    }
}

fn make(traits: Traits) -> Recipe {
    Recipe {
        needs: with_compilers(vec!["make"], traits),
        noarch: false,
        more_needs: "",
        prep: "",
        build: "%make_build PREFIX=%{_prefix} prefix=%{_prefix}\n".to_owned(),
        install: "%make_install PREFIX=%{_prefix} prefix=%{_prefix}\n",
        check: "",
        review: "see that the makefile heeds DESTDIR, PREFIX and CFLAGS",
    }
}

fn unknown() -> Recipe {
    Recipe {
        needs: Vec::new(),
        noarch: false,
        more_needs: "",
        prep: "",
        build: String::new(),
        install: "",
        check: "",
        review: "no build system was found: write the build and install sections",
    }
}
