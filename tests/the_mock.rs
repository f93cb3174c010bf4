//! The program `pan123-mock`, which Cargo builds for the tests of this package.

fn main() -> std::process::ExitCode {
    pan123_mock::program::main()
}
