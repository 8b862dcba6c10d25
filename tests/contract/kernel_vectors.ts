/** Published vectors, as hexadecimal digits. */

const SUNSCREEN = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip " +
  "for the future, sunscreen would be it.";

/** The plaintext of both AEAD vectors. */
export const aeadPlaintext = new TextEncoder().encode(SUNSCREEN);

/** RFC 8439 §2.8.2. */
export const chachaPoly = {
  key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
  nonce: "070000004041424344454647",
  aad: "50515253c0c1c2c3c4c5c6c7",
  ciphertext: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
    "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
    "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
    "3ff4def08e4b7a9de576d26586cec64b6116",
  tag: "1ae10b594f09e26a7e902ecbd0600691",
};

/** draft-irtf-cfrg-xchacha-03 §A.3.1. */
export const xchachaPoly = {
  key: chachaPoly.key,
  nonce: "404142434445464748494a4b4c4d4e4f5051525354555657",
  aad: chachaPoly.aad,
  ciphertext: "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb" +
    "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452" +
    "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9" +
    "21f9664c97637da9768812f615c68b13b52e",
  tag: "c0875924c1c7987947deafd8780acf49",
};

/** draft-irtf-cfrg-xchacha-03 §2.2.1. */
export const hchacha = {
  key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
  nonce: "000000090000004a0000000031415927",
  subkey: "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc",
};

const zeros = (bytes: number) => "00".repeat(bytes);

/** RFC 8439 §A.3, the vectors 7 to 11 that provoke carries and the final reduction. */
export const poly1305Carries = [
  { key: "02" + zeros(31), message: "ff".repeat(16), tag: "03" + zeros(15) },
  {
    key: "02" + zeros(15) + "ff".repeat(16),
    message: "02" + zeros(15),
    tag: "03" + zeros(15),
  },
  {
    key: "01" + zeros(31),
    message: "ff".repeat(16) + "f0" + "ff".repeat(15) + "11" + zeros(15),
    tag: "05" + zeros(15),
  },
  {
    key: "01" + zeros(31),
    message: "ff".repeat(16) + "fb" + "fe".repeat(15) + "01".repeat(16),
    tag: zeros(16),
  },
  { key: "02" + zeros(31), message: "fd" + "ff".repeat(15), tag: "fa" + "ff".repeat(15) },
  {
    key: "01" + zeros(7) + "04" + zeros(23),
    message: "e33594d7505e43b9" + zeros(8) + "3394d7505e4379cd01" + zeros(7) + zeros(16) + "01" +
      zeros(15),
    tag: "14" + zeros(7) + "55" + zeros(7),
  },
  {
    key: "01" + zeros(7) + "04" + zeros(23),
    message: "e33594d7505e43b9" + zeros(8) + "3394d7505e4379cd01" + zeros(7) + zeros(16),
    tag: "13" + zeros(15),
  },
];

/** BLAKE3's own test vectors, `keyed_hash`: bytes 0, 1, … 250, 0, 1, … of these lengths. */
export const blake3Key = new TextEncoder().encode("whats the Elvish word for friend");
/** First 32 bytes of each output. */
export const blake3Keyed: readonly [number, string][] = [
  [0, "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"],
  [1, "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"],
  [1023, "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e"],
  [1024, "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"],
  [1025, "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69"],
  [2048, "879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1"],
  [2049, "9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5"],
  [3072, "044a0e7b172a312dc02a4c9a818c036ffa2776368d7f528268d2e6b5df191770"],
  [3073, "68dede9bef00ba89e43f31a6825f4cf433389fedae75c04ee9f0cf16a427c95a"],
  [4096, "befc660aea2f1718884cd8deb9902811d332f4fc4a38cf7c7300d597a081bfc0"],
  [4097, "00df940cd36bb9fa7cbbc3556744e0dbc8191401afe70520ba292ee3ca80abbc"],
  [5120, "2c493e48e9b9bf31e0553a22b23503c0a3388f035cece68eb438d22fa1943e20"],
  [5121, "6ccf1c34753e7a044db80798ecd0782a8f76f33563accaddbfbb2e0ea4b2d024"],
  [6144, "3d6b6d21281d0ade5b2b016ae4034c5dec10ca7e475f90f76eac7138e9bc8f1d"],
  [6145, "9ac301e9e39e45e3250a7e3b3df701aa0fb6889fbd80eeecf28dbc6300fbc539"],
  [7168, "b42835e40e9d4a7f42ad8cc04f85a963a76e18198377ed84adddeaecacc6f3fc"],
  [7169, "ed9b1a922c046fdb3d423ae34e143b05ca1bf28b710432857bf738bcedbfa511"],
];

/** SipHash-2-4's reference vectors: key 00…0f, message 00…07. */
export const siphashOfEight = 0x93f5f5799a932462n;
