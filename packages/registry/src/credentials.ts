/**
 * Credentials of `docker login` and `podman login`, and of credential helpers. For Node.
 *
 * @packageDocumentation
 */
export type { Environment } from './credentials/config-files.ts'
export type { Credential, CredentialQuery, CredentialSource } from './credentials/credential.ts'
export { createDockerCredentials, type DockerCredentialsOptions } from './credentials/docker.ts'
export { combineCredentials, createFixedCredentials } from './credentials/sources.ts'
