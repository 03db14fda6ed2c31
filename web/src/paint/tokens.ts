// CLIP's byte-pair encoding (Sennrich et al. 2016), from the vocabulary that the run's model has.

export type Tokens = {
  vocabulary: Record<string, number>;
  merges: [string, string][];
  start: number;
  end: number;
  pad: number;
  unknown: number;
  length: number;
};

const PIECES = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu;

/** Make what turns a prompt into the numbers of its tokens, all of one length. */
export function tokenizer(tokens: Tokens): (text: string) => Int32Array {
  const known = new Map(Object.entries(tokens.vocabulary));
  const ranks = new Map(tokens.merges.map((pair, rank) => [pair.join(" "), rank]));
  const letters = byteLetters();
  return (text) => {
    const plain = text.normalize("NFC").replace(/\s+/gu, " ").toLowerCase();
    const found = [...plain.matchAll(PIECES)].flatMap(([piece]) => {
      if (/^<\|\w+\|>$/.test(piece)) return [known.get(piece) ?? tokens.unknown];
      const spelled = [...new TextEncoder().encode(piece)].map((byte) => letters[byte]!);
      spelled.push(`${spelled.pop()}</w>`);
      return merged(spelled, ranks).map((each) => known.get(each) ?? tokens.unknown);
    });
    const ids = new Int32Array(tokens.length).fill(tokens.pad);
    ids.set([tokens.start, ...found.slice(0, tokens.length - 2), tokens.end]);
    return ids;
  };
}

/** Join the pair of lowest rank, everywhere it is, until no pair is known. */
function merged(spelled: string[], ranks: Map<string, number>): string[] {
  let parts = spelled;
  for (;;) {
    let best = Infinity;
    for (let at = 0; at + 1 < parts.length; at++) best = Math.min(best, ranks.get(`${parts[at]} ${parts[at + 1]}`) ?? Infinity);
    if (best === Infinity) return parts;
    const joined: string[] = [];
    for (let at = 0; at < parts.length; at++) {
      if (at + 1 < parts.length && ranks.get(`${parts[at]} ${parts[at + 1]}`) === best) {
        joined.push(parts[at]! + parts[at + 1]!);
        at++;
      } else joined.push(parts[at]!);
    }
    parts = joined;
  }
}

/** Give each byte a letter that can be seen: its own if it has one, else one from 256 on. */
function byteLetters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isSeen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(isSeen ? byte : next++);
  });
}
