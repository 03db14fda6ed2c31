/** Move labels apart along one axis so that none is nearer than `gap` to the next nor outside `ends`, each as little as it needs. */
export function spread(places: number[], gap: number, ends: [number, number] = [-Infinity, Infinity]): number[] {
  const order = places.map((_, at) => at).sort((a, b) => places[a]! - places[b]!);
  // Blocks of labels that touch, each at the mean of where its labels want to be.
  const blocks: Block[] = [];
  const inside = (block: Block): Block => ({ ...block, centre: Math.max(Math.min(block.centre, ends[1] - half(block, gap)), ends[0] + half(block, gap)) });
  for (const at of order) {
    let block = inside({ members: [at], centre: places[at]! });
    for (let last = blocks.at(-1); last && last.centre + half(last, gap) + gap > block.centre - half(block, gap); last = blocks.at(-1)) {
      blocks.pop();
      const count = last.members.length + block.members.length;
      const centre = (last.centre * last.members.length + block.centre * block.members.length) / count;
      block = inside({ members: [...last.members, ...block.members], centre });
    }
    blocks.push(block);
  }
  const moved = [...places];
  for (const block of blocks) {
    block.members.forEach((at, rank) => (moved[at] = block.centre + (rank - (block.members.length - 1) / 2) * gap));
  }
  return moved;
}

type Block = { members: number[]; centre: number };
const half = (block: Block, gap: number): number => ((block.members.length - 1) / 2) * gap;
