import type { Answer, FailureReader } from "../remote/failure.ts";

/** What Azure's client throws. */
interface AzureClientError {
  readonly name?: string;
  /** The service's code, Node's, or the client's own. */
  readonly code?: string;
  readonly message?: string;
  readonly statusCode?: number;
  readonly details?: { readonly errorCode?: string };
  readonly response?: { readonly headers?: { get(name: string): string | undefined } };
}

/** Reads the errors of Azure's client. */
export const azureFailures: FailureReader = {
  codes: {
    AggregateAuthenticationError: "denied",
    AuthenticationError: "denied",
    AuthenticationRequiredError: "denied",
    CredentialUnavailableError: "denied",
    InvalidAuthenticationInfo: "denied",
    BlobAlreadyExists: "conflict",
    ContainerBeingDeleted: "unavailable",
    // Somebody else has put the object meanwhile; this one's parts went with that.
    InvalidBlockList: "unavailable",
    Md5Mismatch: "unavailable",
  },
  answerOf(error: unknown): Answer {
    const { name, code, message, statusCode, details, response } = error as AzureClientError;
    const isNamed = name !== undefined && !["Error", "RestError"].includes(name);
    return {
      status: statusCode,
      // An answer without a body, as of HEAD, has its code in a header.
      code: response?.headers?.get("x-ms-error-code") ?? details?.errorCode ?? code ??
        (isNamed ? name : undefined),
      message,
      requestId: response?.headers?.get("x-ms-request-id"),
    };
  },
};
