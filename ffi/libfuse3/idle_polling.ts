import { addressOf, cString, type Libc } from "../libc/symbols.ts";

/** Where a process says how late processors may wake (Linux, PM QoS); what it says holds as long as it has the file open. */
const DEVICE = "/dev/cpu_dma_latency";
const IDLE_DRIVER = "/sys/devices/system/cpu/cpuidle/current_driver";
/** The idle driver of virtual machines: a processor that it puts to sleep is given back to the host. */
const GUEST_DRIVER = "haltpoll\n";
/** On larger machines too many others would poll for the one that matters. */
const PROCESSORS_MAX = 8;
const O_WRONLY_CLOEXEC = 0o2000001;
/** Microseconds, as signed 32 bits: idle processors look for work, or sleep as they would. */
const NONE = new Int32Array([0]);
const ANY = new Int32Array([2_000_000_000]);
const VALUE_BYTES = 4n;

/**
 * Keeps idle processors looking for work while small requests come one after another. In a virtual machine a program that
 * waits for us gives its processor back to the host, and waking it takes longer than most requests: 50 us for a round trip
 * against 7 (`perf bench sched pipe`). Only root may ask for that; elsewhere processors are cheap to wake, and nothing is done.
 */
export class IdlePolling {
  isOn = false;
  readonly #libc: Libc;
  readonly #file: number;

  constructor(libc: Libc, isWanted: boolean) {
    this.#libc = libc;
    this.#file = isWanted && isSmallGuest(libc)
      ? libc.symbols.open(cString(DEVICE), O_WRONLY_CLOEXEC)
      : -1;
  }

  /** Idle processors poll from here on. */
  begin(): void {
    if (this.#file < 0 || this.isOn) return;
    this.isOn = this.#say(NONE);
  }

  /** They sleep again. */
  end(): void {
    if (!this.isOn) return;
    this.isOn = false;
    this.#say(ANY);
  }

  /** Ends it for good. */
  close(): void {
    this.end();
    if (this.#file >= 0) this.#libc.symbols.close(this.#file);
  }

  #say(microseconds: Int32Array<ArrayBuffer>): boolean {
    const bytes = new Uint8Array(microseconds.buffer);
    return this.#libc.symbols.write(this.#file, bytes, VALUE_BYTES) === bytes.length;
  }
}

/** A virtual machine with few processors, whose idle driver can poll. */
function isSmallGuest(libc: Libc): boolean {
  if (navigator.hardwareConcurrency > PROCESSORS_MAX) return false;
  const file = libc.symbols.open(cString(IDLE_DRIVER), 0);
  if (file < 0) return false;
  const bytes = new Uint8Array(128);
  const length = libc.symbols.read(file, addressOf(bytes), BigInt(bytes.length));
  libc.symbols.close(file);
  return new TextDecoder().decode(bytes.subarray(0, Math.max(0, length))) === GUEST_DRIVER;
}
