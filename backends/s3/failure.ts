import type { Answer, FailureReader } from "../remote/failure.ts";

/** What Amazon's client throws: an answer of the server, or what kept it from being asked. */
interface S3ClientError {
  readonly name?: string;
  /** Node's word for a broken connection. */
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

/** Reads the errors of Amazon's client. */
export const s3Failures: FailureReader = {
  codes: {
    AccessDenied: "denied",
    CredentialsProviderError: "denied",
    ExpiredToken: "denied",
    InvalidAccessKeyId: "denied",
    InvalidToken: "denied",
    TokenRefreshRequired: "denied",
    MissingRegion: "invalid",
    NoSuchUpload: "conflict",
    ConditionalRequestConflict: "conflict",
    PreconditionFailed: "conflict",
    RequestTimeout: "unavailable",
    RequestTimeoutException: "unavailable",
    SlowDown: "unavailable",
    Throttling: "unavailable",
    ThrottlingException: "unavailable",
    // What was sent has arrived damaged: sent again, it may not.
    BadDigest: "unavailable",
    IncompleteBody: "unavailable",
    XAmzContentChecksumMismatch: "unavailable",
    XAmzContentSHA256Mismatch: "unavailable",
  },
  answerOf(error: unknown): Answer {
    const { name, code, message, $metadata } = error as S3ClientError;
    const status = $metadata?.httpStatusCode;
    if (message?.startsWith("Region is missing")) return { code: "MissingRegion", message };
    const isNamed = name !== undefined && !["Error", "Unknown", "UnknownError"].includes(name);
    return {
      status,
      code: status === undefined
        ? code ?? (isNamed ? name : undefined)
        : isNamed
        ? name
        : undefined,
      // The client's word for an answer without one.
      message: message === "UnknownError" ? undefined : message,
      requestId: $metadata?.requestId,
    };
  },
};
