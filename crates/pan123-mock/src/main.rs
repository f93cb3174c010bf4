//! The program `pan123-mock`: the service for clients in any language.

fn main() -> std::process::ExitCode {
    pan123_mock::program::main()
}
