/** Where a catalogue is kept that many machines share. */
export interface PostgresConfig {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`; what it leaves out is in `PGHOST` and the others of libpq. */
  readonly url?: string;
  /** The schema with its tables, made where it is not there; `sigmavault` unless given. */
  readonly schema?: string;
  /** Seconds of a call; 20 unless given. */
  readonly timeLimitSeconds?: number;
}
