/** What tools/web-kit.ts makes while building. */
declare module 'virtual:icons' {
  export const address: string;
}
declare module 'virtual:colors.css' {}
