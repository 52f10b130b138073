#!/usr/bin/env bash
# A one-node Ceph cluster in memory, with its S3 gateway on loopback: a real S3 server for tests.
#   scripts/services/ceph-s3.sh start   some 15 s; the last line printed is the endpoint
#   scripts/services/ceph-s3.sh stop    stops it and removes its directory
# Debian packages: radosgw ceph-mon ceph-osd ceph-common. Access key "test", secret key "testtest", path-style addresses.
# CEPH_S3_DIR: where it lives. CEPH_S3_PORT, CEPH_S3_MON_PORT: ports; by default free ones, so that several can run.
set -euo pipefail

dir=${CEPH_S3_DIR:-${TMPDIR:-/tmp}/varve-ceph-s3-$(id -u)}
# A directory that is removed must be one that this script made.
readonly MARK=.varve-ceph-s3

stop() {
  [ -e "$dir/$MARK" ] || return 0
  local file pid
  for file in "$dir"/run/*.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    # A pid can belong to somebody else by now: ours name this directory in their command line.
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$dir/ceph.conf"; then
      kill "$pid" 2>/dev/null || true
      for _ in $(seq 100); do [ -e "/proc/$pid" ] || break; sleep 0.05; done
      kill -9 "$pid" 2>/dev/null || true
    fi
  done
  rm -rf "$dir"
}

# free_port: a port on loopback that nobody listens on, and below those given out to clients.
free_port() {
  local port
  while :; do
    port=$((10240 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

start() {
  if [ -e "$dir" ] && [ ! -e "$dir/$MARK" ]; then
    echo "$dir is there and is not of this script" >&2
    exit 1
  fi
  stop
  mkdir -p "$dir"/{mon,osd,run,log,rgw}
  touch "$dir/$MARK"
  local fsid osd conf=$dir/ceph.conf keys=$dir/keyring port=${CEPH_S3_PORT:-$(free_port)}
  local mon=${CEPH_S3_MON_PORT:-$(free_port)}
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd=$(cat /proc/sys/kernel/random/uuid)
  cat >"$conf" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = $keys
run dir = $dir/run
admin socket = $dir/run/\$name.asok
log file = $dir/log/\$name.log
pid file = $dir/run/\$name.pid
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
mon max pg per osd = 1000
mon allow pool size one = true
mon data avail crit = 1
[mon.a]
mon data = $dir/mon
[osd.0]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 8589934592
[client.rgw]
keyring = $keys
rgw data = $dir/rgw
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
CONF
  {
    ceph-authtool --create-keyring "$keys" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$keys" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$keys" --gen-key -n client.rgw --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$keys" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' \
      --cap mgr 'allow profile osd'
    monmaptool --create --addv a "[v2:127.0.0.1:$mon]" --fsid "$fsid" "$dir/monmap"
    ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$keys"
    ceph-mon -c "$conf" -i a
    timeout 60 ceph -c "$conf" osd new "$osd"
    timeout 60 ceph -c "$conf" auth import -i "$keys"
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$osd"
    ceph-osd -c "$conf" -i 0
    radosgw -c "$conf" -n client.rgw
  } >"$dir/log/start.log" 2>&1 </dev/null || failed
  for _ in $(seq 240); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.25
  done
  timeout 60 radosgw-admin -c "$conf" user create --uid=test --display-name=test --access-key=test \
    --secret-key=testtest >>"$dir/log/start.log" 2>&1 </dev/null || failed
  echo "http://127.0.0.1:$port"
}

failed() {
  tail -n 20 "$dir"/log/*.log >&2 || true
  stop
  exit 1
}

case "${1:-start}" in
  start) start ;;
  stop) stop ;;
  *)
    echo "usage: $0 [start|stop]" >&2
    exit 2
    ;;
esac
