import type { Answer, FailureReader } from "../remote/failure.ts";

/** What Google's client throws. */
interface GoogleClientError {
  /** HTTP's status, or Node's word for a broken connection. */
  readonly code?: number | string;
  readonly status?: number;
  readonly message?: string;
  readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
}

/** Reads the errors of Google's client. */
export const googleFailures: FailureReader = {
  codes: {
    // With 403, but for a while only.
    rateLimitExceeded: "unavailable",
    userRateLimitExceeded: "unavailable",
    // Of the server that lends tokens.
    invalid_grant: "denied",
    noCredentials: "denied",
  },
  answerOf(error: unknown): Answer {
    const { code, status, message, errors } = error as GoogleClientError;
    const reason = errors?.find(({ reason }) => reason !== undefined)?.reason;
    const isUnknown = message?.includes("default credentials") ?? false;
    return {
      status: typeof code === "number" ? code : status,
      code: reason ?? (isUnknown ? "noCredentials" : typeof code === "string" ? code : undefined),
      message: errors?.[0]?.message ?? message,
    };
  },
};
