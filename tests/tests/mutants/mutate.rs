//! Makes mutants: of the core modules inside a component, of its bytes, and with modules that nobody wrote.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arbitrary::Unstructured;
use portcullis_tests::Random;
use wasm_encoder::{Component, ComponentSectionId, InstanceSection, ModuleArg, RawSection};
use wasm_mutate::WasmMutate;
use wasmparser::{Parser, Payload};

/// How much work a mutation of a module may be.
const FUEL: u64 = 200;
/// How often a tool may try.
const TRIES: usize = 8;
/// How many random bytes a module is made of.
const DNA: usize = 32_768;

thread_local! {
    /// Whether this thread is in one of the tools, whose panics are no news of the host.
    static IN_TOOL: Cell<bool> = const { Cell::new(false) };
}

/// How a mutant was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A core module inside was changed by `wasm-mutate`.
    Mutated,
    /// A core module inside was replaced by one of `wasm-smith` with the same imports and exports.
    Replaced,
    /// A core module of `wasm-smith` was added, which is instantiated too.
    Added,
    /// Bytes were changed.
    Bytes,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Mutated, Self::Replaced, Self::Added, Self::Bytes];
}

/// A mutant of the component; a tool that has no answer leaves the work to the bytes.
pub fn mutant(component: &[u8], random: &mut Random) -> (Kind, Vec<u8>) {
    let made = match random.below(16) {
        0..8 => in_place(component, random, mutated).map(|bytes| (Kind::Mutated, bytes)),
        8..11 => in_place(component, random, replaced).map(|bytes| (Kind::Replaced, bytes)),
        11..13 => with_another(component, random).map(|bytes| (Kind::Added, bytes)),
        _ => None,
    };
    made.unwrap_or_else(|| (Kind::Bytes, scrambled(component, random)))
}

/// Whether this thread is in one of the tools.
pub fn is_in_tool() -> bool {
    IN_TOOL.get()
}

/// What a tool makes; nothing where it panics.
fn tool<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    IN_TOOL.set(true);
    let made = catch_unwind(AssertUnwindSafe(work));
    IN_TOOL.set(false);
    made.ok()?
}

/// Flips a few bits, which code and data may well survive; one time of four, the length changes as well.
fn scrambled(component: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = component.to_vec();
    for _ in 0..1 << random.below(3) {
        let at = random.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
    if random.below(4) == 0 {
        resize(&mut bytes, random);
    }
    bytes
}

/// Cuts off, doubles, takes out or puts in some bytes.
fn resize(bytes: &mut Vec<u8>, random: &mut Random) {
    let (at, length) = (random.below(bytes.len()), 1 + random.below(64));
    let end = (at + length).min(bytes.len());
    match random.below(4) {
        0 => bytes.truncate(at),
        1 => bytes.extend_from_within(at..end),
        2 => drop(bytes.drain(at..end)),
        _ => {
            let from = random.below(bytes.len() - (end - at));
            let some = bytes[from..from + (end - at)].to_vec();
            drop(bytes.splice(at..at, some));
        }
    }
}

/// The component with one of its core modules changed; the other sections are as they were. Every other time it is the
/// largest module, which is what the plugin's author wrote; the others are the glue around it.
pub fn in_place(
    component: &[u8],
    random: &mut Random,
    change: impl FnOnce(&[u8], &mut Random) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let sections = sections(component)?;
    let modules: Vec<usize> = (0..sections.len()).filter(|at| is_module(sections[*at].0)).collect();
    let largest = *modules.iter().max_by_key(|at| sections[**at].1.len())?;
    let chosen = match random.below(2) {
        0 => largest,
        _ => modules[random.below(modules.len())],
    };
    let changed = change(sections[chosen].1, random)?;
    let mut mutant = Component::new();
    for (at, (id, data)) in sections.into_iter().enumerate() {
        let data = if at == chosen { &changed } else { data };
        mutant.section(&RawSection { id, data });
    }
    Some(mutant.finish())
}

fn is_module(id: u8) -> bool {
    id == u8::from(ComponentSectionId::CoreModule)
}

/// The sections of a component; those of what is nested in it are parts of its own.
pub fn sections(component: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (mut sections, mut depth) = (Vec::new(), 0);
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.ok()?;
        if depth == 0
            && let Some((id, range)) = payload.as_section()
        {
            sections.push((id, component.get(range)?));
        }
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    Some(sections)
}

/// Another module, which may well do something else. The tool chooses one of its mutations by the seed, and gives up
/// where it does not apply.
fn mutated(module: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    (0..TRIES).find_map(|_| {
        let (seed, most) = (random.next(), 1 + random.below(3));
        tool(|| {
            let mut tool = WasmMutate::default();
            let mutants = tool.seed(seed).fuel(FUEL).run(module).ok()?;
            mutants.take(most).filter_map(Result::ok).last()
        })
    })
}

/// A module that imports and exports the same, and does whatever chance says.
fn replaced(module: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let config = wasm_smith::Config {
        module_shape: Some(module.to_vec()),
        ..config(random)
    };
    (0..TRIES).find_map(|_| smith(&config, random))
}

/// The component with a module more, which is instantiated with it: if it has a start function, as is preferred, that
/// runs then.
fn with_another(component: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let config = wasm_smith::Config {
        max_imports: 0,
        ..config(random)
    };
    let mut modules: Vec<_> = (0..TRIES).filter_map(|_| smith(&config, random)).collect();
    let with_start = modules.iter().position(|module| has_start(module));
    let module = modules.drain(..).nth(with_start.unwrap_or_default())?;
    let sections = sections(component)?;
    let index = sections.iter().filter(|(id, _)| is_module(*id)).count();
    let mut mutant = Component::new();
    for (id, data) in sections {
        mutant.section(&RawSection { id, data });
    }
    mutant.section(&RawSection {
        id: ComponentSectionId::CoreModule.into(),
        data: &module,
    });
    let mut instances = InstanceSection::new();
    let nothing: [(&str, ModuleArg); 0] = [];
    instances.instantiate(u32::try_from(index).ok()?, nothing);
    mutant.section(&instances);
    Some(mutant.finish())
}

/// Mostly of what the host runs, within its limits; one time of eight, of all that the tool knows.
fn config(random: &mut Random) -> wasm_smith::Config {
    let all = wasm_smith::Config {
        // What is declared comes first: little of it, so that there are random bytes left for the code.
        max_data_segments: 8,
        max_element_segments: 8,
        max_elements: 16,
        max_globals: 16,
        max_exports: 8,
        max_instructions: 200,
        // What the module is to export counts, too.
        max_type_size: 100_000,
        max_types: 16,
        min_funcs: 4,
        max_funcs: 24,
        ..wasm_smith::Config::default()
    };
    if random.below(8) == 0 {
        return all;
    }
    wasm_smith::Config {
        exceptions_enabled: false,
        gc_enabled: false,
        max_memory32_bytes: 16 * 1_024 * 1_024,
        max_table_elements: 1_000,
        memory64_enabled: false,
        // With them comes `externref`, which needs a garbage collector.
        reference_types_enabled: false,
        shared_everything_threads_enabled: false,
        threads_enabled: false,
        ..all
    }
}

/// A module; the tool gives up where the random bytes don't suit it.
fn smith(config: &wasm_smith::Config, random: &mut Random) -> Option<Vec<u8>> {
    let dna: Vec<u8> = (0..DNA / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    tool(|| {
        let module = wasm_smith::Module::new(config.clone(), &mut Unstructured::new(&dna)).ok()?;
        Some(module.to_bytes())
    })
}

fn has_start(module: &[u8]) -> bool {
    let mut payloads = Parser::new(0).parse_all(module);
    payloads.any(|payload| matches!(payload, Ok(Payload::StartSection { .. })))
}
