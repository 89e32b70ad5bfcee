/** The versions of Node.js that the package supports. */
export const NODES = ['20', '22', '24', '26'];
