/** Nominal types: a branded value can only come from the function that checks it. */

declare const brand: unique symbol

export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** SHA-256 of a canonical form, base64url, 43 characters. */
export type Digest = Brand<string, 'Digest'>

/** Lower-case DNS name without trailing dot; `*.` may lead. Never an IP address. */
export type Hostname = Brand<string, 'Hostname'>
