// Writes src/text/tables.rs from the npm package @unicode/unicode-18.0.0 (2.0.7), which holds the files of the
// Unicode Character Database 18.0.0 as arrays.
//
//   npm pack @unicode/unicode-18.0.0@2.0.7 && tar xzf unicode-unicode-18.0.0-2.0.7.tgz
//   node tables/generate.mjs ./package > src/text/tables.rs && cargo fmt -p tally-core
//
// The version never changes: ids hang on these tables.
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';

const root = resolve(process.argv[2]);
const load = async (path) => (await import(pathToFileURL(`${root}/${path}/code-points.mjs`))).default;
const hex = (point) => `0x${point.toString(16).toUpperCase()}`;

/** Inclusive ranges of sorted code points; surrogates are left out, for no text has any. */
function ranges(points) {
  const out = [];
  for (const point of [...points].sort((a, b) => a - b)) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const last = out.at(-1);
    if (last && last[1] + 1 === point) last[1] = point;
    else out.push([point, point]);
  }
  return out;
}

/** Runs of simple mappings with one distance, one or two code points apart: [first, last, step, distance]. */
function runs(mapping) {
  const out = [];
  for (const [from, to] of [...mapping].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    const step = last ? from - last[1] : 0;
    const fits = last && last[3] === to - from && (last[2] === 0 ? step === 1 || step === 2 : step === last[2]);
    if (fits) {
      last[1] = from;
      last[2] = step;
    } else out.push([from, from, 0, to - from]);
  }
  return out.map(([first, last, step, distance]) => [first, last, step || 1, distance]);
}

const special = new Map(
  [...(await load('Special_Casing/Uppercase'))].map(([from, to]) => [from, [to].flat()]));
const simple = new Map(
  [...(await load('Simple_Case_Mapping/Uppercase'))].filter(([from, to]) => from !== to && !special.has(from)));

const table = (doc, name, points) =>
  `/// ${doc}\npub(crate) const ${name}: &[(u32, u32)] = &[\n` +
  ranges(points).map(([first, last]) => `(${hex(first)}, ${hex(last)}),`).join('\n') + '\n];\n';

process.stdout.write([
  '//! Character tables of Unicode 18.0.0, written by `tables/generate.mjs`; never edited, never moved to another version',
  '',
  '/// The one Unicode version of all ids, for ever.',
  'pub const UNICODE_VERSION: (u8, u8, u8) = (18, 0, 0);',
  '',
  table('General_Category Cn, noncharacters among them.', 'UNASSIGNED', await load('General_Category/Unassigned')),
  table('General_Category Cc.', 'CONTROL', await load('General_Category/Control')),
  table('General_Category Co.', 'PRIVATE_USE', await load('General_Category/Private_Use')),
  table('White_Space.', 'WHITE_SPACE', await load('Binary_Property/White_Space')),
  table('Default_Ignorable_Code_Point.', 'DEFAULT_IGNORABLE',
    await load('Binary_Property/Default_Ignorable_Code_Point')),
  '/// Simple upper case of what has no full one: first, last, step, distance to the capital.',
  'pub(crate) const UPPER_RUNS: &[(u32, u32, u32, i32)] = &[',
  ...runs(simple).map(([first, last, step, distance]) => `(${hex(first)}, ${hex(last)}, ${step}, ${distance}),`),
  '];',
  '',
  '/// Full upper case of more than one character, SpecialCasing.txt without conditions.',
  'pub(crate) const UPPER_SPECIAL: &[(u32, &str)] = &[',
  ...[...special].sort((a, b) => a[0] - b[0]).map(([from, to]) =>
    `(${hex(from)}, "${to.map((point) => `\\u{${point.toString(16).toUpperCase()}}`).join('')}"),`),
  '];',
  '',
].join('\n'));
