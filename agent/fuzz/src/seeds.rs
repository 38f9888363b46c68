//! Writes the first corpus: every file of every fixture. `seeds DIR`.

use evidenced_fuzz::cases;

fn main() {
    let directory = std::env::args_os().nth(1).expect("usage: seeds DIR");
    let directory = std::path::Path::new(&directory);
    std::fs::create_dir_all(directory).expect("a directory");
    let mut count = 0;
    for (number, case) in cases().iter().enumerate() {
        for (place, path) in case.paths.iter().enumerate() {
            let Some(contents) = case.fixture.contents(path) else { continue };
            let head = [number, place].map(|it| u16::try_from(it).expect("few").to_le_bytes());
            let seed = [head.as_flattened(), contents].concat();
            std::fs::write(directory.join(format!("seed-{number}-{place}")), seed).expect("written");
            count += 1;
        }
    }
    println!("{count} seeds");
}
