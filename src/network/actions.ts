/** What a token may allow. */
export type Action = 'register' | 'discover'

export const ACTIONS: Action[] = ['register', 'discover']
