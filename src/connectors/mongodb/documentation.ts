import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const mongodbRecipe: Recipe = {
  language: 'js',
  text: `// in mongosh; without authSource the gateway looks for the user in admin
db.getSiblingDB('admin').createUser({ user: 'gateway', pwd: passwordPrompt(), roles: [{ role: 'read', db: 'shop' }] });`,
};
