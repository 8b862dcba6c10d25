/** What a reconciling came to. */
export interface ReconcileReport {
  /** Paths whose newest state is where it belongs again. */
  readonly settled: readonly string[];
  /** Paths of which it is not, because a store is away or somebody is changing them. */
  readonly left: readonly string[];
}

/** A store over others, which puts right what could not be done while one of them was away. */
export interface Reconciling {
  /** Puts right what is known of; or looks at everything. */
  reconcile(what?: ReconcileScope): Promise<ReconcileReport>;
}

/** What is looked at. */
export type ReconcileScope = "noted" | "everything";
