// The noise that a seed means: what torch.randn draws on a CPU, so that a seed here is a seed there.
// Mersenne twister: Matsumoto & Nishimura 1998. Normals: Box & Muller 1958, on groups of sixteen.

const WORDS = 624;
const GROUP = 16;

/** Make the generator of 32-bit numbers that a seed starts; only its last 32 bits count. */
export function twister(seed: bigint): () => number {
  const state = new Uint32Array(WORDS);
  state[0] = Number(seed & 0xffffffffn);
  for (let at = 1; at < WORDS; at++) {
    const before = state[at - 1]! ^ (state[at - 1]! >>> 30);
    state[at] = Math.imul(1812433253, before) + at;
  }
  let next = WORDS;
  return () => {
    if (next === WORDS) {
      for (let at = 0; at < WORDS; at++) {
        const both = (state[at]! & 0x80000000) | (state[(at + 1) % WORDS]! & 0x7fffffff);
        state[at] = state[(at + 397) % WORDS]! ^ (both >>> 1) ^ (both & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let drawn = state[next++]!;
    drawn ^= drawn >>> 11;
    drawn ^= (drawn << 7) & 0x9d2c5680;
    drawn ^= (drawn << 15) & 0xefc60000;
    return (drawn ^ (drawn >>> 18)) >>> 0;
  };
}

/** Draw standard normal numbers, as torch.randn of float32 does for 16 numbers or more. */
export function randn(count: number, seed: bigint): Float32Array {
  if (count < GROUP) throw new Error(`${count} numbers are too few: below ${GROUP} torch draws another way.`);
  const draw = twister(seed);
  const uniform = () => (draw() & 0xffffff) / 2 ** 24;
  const found = Float32Array.from({ length: count }, uniform);
  for (let first = 0; first + GROUP <= count; first += GROUP) bend(found.subarray(first, first + GROUP));
  if (count % GROUP) {
    const last = found.subarray(count - GROUP);
    last.set(Float32Array.from({ length: GROUP }, uniform));
    bend(last);
  }
  return found;
}

/** Turn sixteen uniform numbers into normal ones: the first eight with the last eight. */
function bend(group: Float32Array): void {
  for (let at = 0; at < GROUP / 2; at++) {
    const radius = Math.sqrt(-2 * Math.log(1 - group[at]!));
    const angle = 2 * Math.PI * group[at + GROUP / 2]!;
    group[at] = radius * Math.cos(angle);
    group[at + GROUP / 2] = radius * Math.sin(angle);
  }
}
