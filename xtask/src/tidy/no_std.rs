//! The proof that a crate is `no_std`: a static library over it that brings its own panic handler.
//!
//! The library is built for this machine. Were std linked anywhere below it, there would be two panic handlers, which
//! the compiler refuses (`found duplicate lang item panic_impl`). So no other target has to be installed.

use std::{fmt::Write as _, fs};

use anyhow::Result;

use super::edges::LAYERS;
use crate::shell;

pub(crate) fn check() -> Result<Vec<String>> {
    let root = shell::root();
    let dir = shell::target_dir().join("no-std");
    fs::create_dir_all(dir.join("src"))?;
    let mut dependencies = String::new();
    let mut uses = String::new();
    for layer in LAYERS.iter().filter(|layer| layer.no_std) {
        let path = root.join(layer.dir);
        writeln!(
            dependencies,
            "{} = {{ path = {:?}, default-features = false }}",
            layer.name,
            path.display().to_string()
        )?;
        writeln!(uses, "pub use {};", layer.name.replace('-', "_"))?;
    }
    fs::write(
        dir.join("Cargo.toml"),
        format!(
            "[package]\nname = \"no-std-proof\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"staticlib\"]\n\n\
             [dependencies]\n{dependencies}\n[profile.dev]\npanic = \"abort\"\n\n[workspace]\n"
        ),
    )?;
    fs::write(
        dir.join("src/lib.rs"),
        format!(
            "#![no_std]\n{uses}\n\
             struct Nothing;\n\
             unsafe impl core::alloc::GlobalAlloc for Nothing {{\n    \
                 unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 {{ core::ptr::null_mut() }}\n    \
                 unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {{}}\n}}\n\
             #[global_allocator]\nstatic NOTHING: Nothing = Nothing;\n\
             #[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! {{ loop {{}} }}\n"
        ),
    )?;
    // The versions that the workspace has locked, so that the proof is about what is shipped.
    fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock"))?;
    let mut command = shell::cargo();
    command
        .current_dir(&dir)
        .args(["build", "--quiet"])
        .env("CARGO_TARGET_DIR", dir.join("target"));
    Ok(shell::capture(&mut command)
        .err()
        .map(|error| format!("{error:#}"))
        .into_iter()
        .collect())
}
