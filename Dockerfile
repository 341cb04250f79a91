# A worker with the programs that move disks. Debian, never Alpine: Temporal's core is built for glibc only.
FROM node:22-bookworm-slim AS build
WORKDIR /opt/everthaw
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
RUN apt-get update \
  && apt-get install --no-install-recommends -y ca-certificates curl fuse2fs grub-common libhivex-bin libnbd-bin nbdkit ntfs-3g openssh-client qemu-system-common qemu-utils rclone restic rsync util-linux \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/everthaw
COPY --from=build /opt/everthaw/package.json ./
COPY --from=build /opt/everthaw/node_modules ./node_modules
COPY --from=build /opt/everthaw/dist ./dist
RUN chmod +x dist/src/cli/main.js \
  && ln -s /opt/everthaw/dist/src/cli/main.js /usr/local/bin/everthaw \
  && install --directory --mode=0700 --owner=node --group=node /var/lib/everthaw \
  && install --directory --owner=node --group=node /backups
ENV EVERTHAW_STATE=/var/lib/everthaw NODE_ENV=production
USER node
CMD ["everthaw", "worker"]
