/** The optional native build has no types of its own; tests only hand it on. */
declare module 'sodium-native' {
  const library: object;
  export default library;
}
