import { ASYNCSSH, startAsyncssh } from '../peers/asyncssh.ts';
import { GO_SSH, startGoBastion } from '../peers/go-ssh.ts';
import { canCreateUsers, createUser, SSHD, startSshd } from '../peers/sshd.ts';
import { postgresStand } from '../stands/postgres.ts';
import type { RealPeer } from './real-peer.ts';

export const opensshBastion: RealPeer = {
  name: 'OpenSSH 9.2',
  programs: { ...SSHD, programs: [...SSHD.programs, ...(canCreateUsers ? [] : ['right to make a user'])] },
  version: ['/usr/sbin/sshd', '-V'],
  role: 'a bastion',
  stand: postgresStand,
  startBastion: async ({ user, forwards }) => {
    const account = await createUser();
    const sshd = await startSshd({
      settings: [
        'PasswordAuthentication yes',
        ...(user.both ? ['AuthenticationMethods publickey,password'] : []),
        ...(forwards ? [] : ['AllowTcpForwarding no']),
      ],
      ...(user.publicKey !== undefined && { authorizedKeys: [user.publicKey] }),
    });
    const [target = ''] = Object.values(forwards ?? {});
    const port = Number(target.split(':')[1]);
    return {
      port: sshd.port,
      fingerprint: await sshd.fingerprint('ed25519'),
      user: account,
      // it asks the machine for what a name means
      ...(forwards && { place: { host: 'localhost', port, 'tls.serverName': 'db.example' } }),
      close: async () => {
        await sshd.close();
        await account.remove();
      },
    };
  },
};

export const goBastion: RealPeer = {
  name: 'Go’s x/crypto/ssh 0.45',
  programs: GO_SSH,
  role: 'a bastion',
  stand: postgresStand,
  startBastion: ({ user, forwards = {} }) =>
    startGoBastion({
      user: user.name,
      ...(user.password !== undefined && { password: user.password }),
      ...(user.publicKey !== undefined && { authorizedKey: user.publicKey }),
      ...(user.both && { both: true }),
      forwards: Object.keys(forwards),
      target: Object.values(forwards)[0] ?? '',
    }),
};

export const asyncsshBastion: RealPeer = {
  name: 'asyncssh 2.24',
  programs: ASYNCSSH,
  role: 'a bastion',
  stand: postgresStand,
  startBastion: ({ user, forwards = {} }) => {
    const [[place, target] = []] = Object.entries(forwards);
    return startAsyncssh({
      user: user.name,
      ...(user.password !== undefined && { password: user.password }),
      ...(place !== undefined && { forward: place, target: Number(target?.split(':')[1]) }),
    });
  },
  cannot: { 'bastion wants a second factor': 'Its server is content with one factor.' },
};
