/** A byte that is part of no UTF-8 becomes the code unit this much above it: a lone surrogate, which no UTF-8 gives. */
const ESCAPE = 0xdc00;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** A name or path of any bytes as text, so that {@linkcode pathBytes} gives the same bytes. */
export function pathText(bytes: Uint8Array): string {
  const whole = decoded(bytes);
  if (whole !== null) return whole;
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at]);
    const character = length === 0 ? null : decoded(bytes.subarray(at, at + length));
    text += character ?? String.fromCharCode(ESCAPE + bytes[at]);
    at += character === null ? 1 : length;
  }
  return text;
}

/** The bytes of a name or path. */
export function pathBytes(text: string): Uint8Array<ArrayBuffer> {
  if (isPlain(text)) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.charCodeAt(0);
    const isEscape = character.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
    if (isEscape) bytes.push(code - ESCAPE);
    else bytes.push(...encoder.encode(character));
  }
  return new Uint8Array(bytes);
}

/** Whether a path can be given to who takes UTF-8 only. */
export function isPlain(text: string): boolean {
  return text.isWellFormed();
}

/** What UTF-8 means; null where it is none. Without exceptions, which would make odd names slow. */
function decoded(bytes: Uint8Array): string | null {
  const text = decoder.decode(bytes);
  if (!text.includes("\ufffd")) return text;
  const again = encoder.encode(text);
  const isSame = again.length === bytes.length && again.every((byte, i) => byte === bytes[i]);
  return isSame ? text : null;
}

/** Bytes of the character that a byte begins; 0 where it begins none. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
