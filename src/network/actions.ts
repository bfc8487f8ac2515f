/** What a token may allow. */
export const ACTIONS = ['register', 'discover'] as const

export type Action = typeof ACTIONS[number]
