import { describeRealPeers } from '../support/peer-causes.ts';
import { nginxProxies } from '../support/real-peers/nginx-proxies.ts';

describeRealPeers(nginxProxies);
