#!/usr/bin/env bash
# A real S3 server for tests: Ceph's RADOS Gateway, from the packages of Debian 12, on loopback.
#
#   scripts/s3-server.sh start [--dir D] [--port P] [--store memory|file] [--owner PID] [--clock F]
#   scripts/s3-server.sh stop|status [--dir D]
#   scripts/s3-server.sh clock
#
# `start` prints one line of JSON: endpoint, keys of two users (the second owns nothing and may do
# what bucket policies grant it), process ids. On a folder whose server runs it prints the same
# line again; on one whose gateway was killed it starts the gateway again, and with `--store file`
# also a whole server that was killed, over the objects it had. Servers with different folders run
# side by side. With `--owner PID`, which may be said again and again, the server ends and its
# folder goes when no owner lives. With `--clock F` the gateway's wall clock is the machine's plus what
# the file says now, as `+90.5` (seconds), by libfaketime; `clock` prints the path of that library, for
# other programs whose clocks shall go wrong: see `clock_environment`.
#
# Packages are unpacked into a cache folder (`.cache/s3-server`, or $BRAINY_S3_SERVER_CACHE) and
# nothing is installed; packages that are installed are used as they are. No rights are needed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${BRAINY_S3_SERVER_CACHE:-$here/.cache/s3-server}
packages=(radosgw ceph-mon ceph-osd)
daemons=(mon osd gateway)

say() { echo "s3-server: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

usage() {
  fail "usage: s3-server.sh start|stop|status|clock [--dir D] [--port P] [--store memory|file] [--owner PID] [--clock F]"
}

command=${1:-}
[ $# -gt 0 ] && shift
dir=$cache/data port= store=memory owner= clock=
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --dir) dir=$2 ;;
    --port) port=$2 ;;
    --store) store=$2 ;;
    --owner) owner=$2 ;;
    --clock) clock=$2 ;;
    *) usage ;;
  esac
  shift 2
done
case $store in memory | file) ;; *) usage ;; esac

# --- programs

# Whether all of these are there: `command -v` is content with one of them.
have() {
  local name
  for name in "$@"; do command -v "$name" >/dev/null || return 1; done
}

# The command is Python, and wants that of the system, which may be among what was unpacked: first in
# the path may be another one that knows nothing of its modules.
python=
ceph_program() {
  local candidate
  for candidate in python3 /usr/bin/python3 "$cache/root/usr/bin/python3.11"; do
    [ -n "$python" ] && break
    "$candidate" -c 'import rados, ceph_argparse' 2>/dev/null && python=$candidate
  done
  [ -n "$python" ] && timeout 30 "$python" "$(command -v ceph)" "$@"
}

# Sets the environment in which the unpacked programs run; fails when they do not.
use_programs() {
  if have radosgw ceph-mon ceph-osd ceph radosgw-admin monmaptool; then return 0; fi
  local root=$cache/root libraries
  [ -e "$root/.complete" ] || return 1
  libraries=$root/usr/lib/$(uname -m)-linux-gnu
  export PATH=$root/usr/bin:$PATH PYTHONPATH=$root/usr/lib/python3/dist-packages
  export LD_LIBRARY_PATH=$libraries:$libraries/ceph:$root/usr/lib:$root/lib/$(uname -m)-linux-gnu
  plugins=$libraries
  radosgw --version >/dev/null 2>&1 && ceph_program --version >/dev/null 2>&1
}

# again COMMAND…: a network may be slow to come, and a mirror busy.
again() {
  local attempt
  for attempt in 1 2 3 4; do
    "$@" >&2 && return
    say "attempt $attempt of 4 failed: $1"
    [ "$attempt" = 4 ] || sleep $((attempt * 5))
  done
  return 1
}

# unpack FOLDER PACKAGE…: packages that are missing here, with all they depend on, into the cache.
unpack() {
  local folder=$1
  shift
  have apt-get dpkg-deb || fail "needs apt-get and dpkg-deb (Debian 12)"
  local release
  release=$(. /etc/os-release && echo "$ID $VERSION_ID")
  [ "$release" = "debian 12" ] || fail "needs Debian 12, whose gateway honours conditions; this is $release"
  local apt=$cache/apt
  local options=(
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt" -o "Dir::Cache::archives=$apt/archives"
    -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Acquire::Retries=3
    -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -qq
  )
  rm -rf "$folder" "$folder.new"
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$folder.new"
  again apt-get "${options[@]}" update ||
    fail "cannot read the package lists: is there a network, and a mirror in /etc/apt?"
  again apt-get "${options[@]}" install -y --no-install-recommends --download-only "$@" ||
    fail "cannot fetch $*: is there a network, and a mirror in /etc/apt?"
  local archive
  for archive in "$apt"/archives/*.deb; do dpkg-deb -x "$archive" "$folder.new"; done
  touch "$folder.new/.complete"
  mv "$folder.new" "$folder"
  rm -rf "$apt"
}

ensure_programs() {
  have flock setsid timeout od || fail "needs flock, setsid, timeout and od (packages util-linux and coreutils)"
  if use_programs; then return; fi
  mkdir -p "$cache"
  # One process fetches; the others wait and find it done.
  exec 8>"$cache/lock"
  flock 8
  if ! use_programs; then
    say "fetching ${packages[*]} and what they need, about 70 MB, once"
    unpack "$cache/root" "${packages[@]}"
    use_programs || fail "the unpacked programs do not run; try: apt-get install --no-install-recommends ${packages[*]}"
  fi
  exec 8>&-
}

# --- clocks

clock_library() {
  local folder
  for folder in /usr/lib/*/faketime "$cache"/faketime/usr/lib/*/faketime; do
    if [ -e "$folder/libfaketime.so.1" ]; then echo "$folder/libfaketime.so.1" && return; fi
  done
  return 1
}

# Prints the path of the library, which is unpacked into the cache where it is missing.
ensure_clock() {
  if clock_library; then return; fi
  mkdir -p "$cache"
  exec 8>"$cache/lock"
  flock 8
  clock_library >/dev/null || unpack "$cache/faketime" libfaketime
  exec 8>&-
  clock_library || fail "the unpacked libfaketime is not where it is expected"
}

# Variables under which a program's wall clock is off by what the file says. It is read once a second;
# the monotonic clock stays as it is, as it does on a machine that was suspended or set right.
clock_environment() {
  [ -n "$clock" ] || return 0
  local library
  library=$(ensure_clock) || exit 1
  printf '%s\n' "LD_PRELOAD=$library" "FAKETIME_TIMESTAMP_FILE=$clock" FAKETIME_CACHE_DURATION=1 DONT_FAKE_MONOTONIC=1
}

# --- processes

# The id of a daemon of this folder that lives. Ids are used again, so the command line is read.
pid_of() {
  local pid
  pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$dir" && echo "$pid"
}

# launch NAME COMMAND…: in the background, in a session of its own, with no pipe of the caller.
launch() {
  local name=$1
  shift
  setsid "$@" </dev/null >>"$dir/log/$name.out" 2>&1 8>&- 9>&- &
  echo $! >"$dir/run/$name.pid"
}

stop_daemons() {
  local name pid
  for name in watch gateway osd mon; do
    pid=$(pid_of "$name") || continue
    # The watcher may be who is stopping.
    [ "$pid" != "$$" ] && kill -KILL "$pid" 2>/dev/null || true
  done
  for name in gateway osd mon; do
    while pid_of "$name" >/dev/null; do sleep 0.05; done
    rm -f "$dir/run/$name.pid"
  done
}

is_ours() { [ -e "$dir/ceph.conf" ] && [ -d "$dir/run" ]; }

is_port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local candidate
  for _ in $(seq 100); do
    # Below the range from which systems take ports for outgoing connections.
    candidate=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
    is_port_free "$candidate" && echo "$candidate" && return
  done
  fail "found no free port"
}

answers() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET / HTTP/1.0\r\n\r\n' >&3
  read -r -t 5 line <&3
  exec 3>&-
  [[ $line == HTTP/* ]]
} 2>/dev/null

# A process that is just becoming another program has no command line for a moment.
lives() { pid_of "$1" >/dev/null || { sleep 0.2 && pid_of "$1" >/dev/null; }; }

# wait_for SECONDS WHAT NAME COMMAND…: until it succeeds, or the daemon is gone.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2 name=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    lives "$name" || give_up "$what: the process ended" "$name"
    [ $SECONDS -lt $deadline ] || give_up "$what: not ready in time" "$name"
    sleep 0.05
  done
}

give_up() {
  say "$1; the end of its log:"
  tail -n 20 "$dir/log/$2.out" >&2 || true
  exit 1
}

# --- the server

write_config() {
  local objects=memstore
  [ "$store" = file ] && objects=bluestore
  cat >"$dir/ceph.conf" <<CONFIG
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$mon_port]
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
ms client mode = crc
ms service mode = crc
ms cluster mode = crc
auth cluster required = none
auth service required = none
auth client required = none
run dir = $dir/run
admin socket =
log file =
log to stderr = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon data avail warn = 1
mon data avail crit = 1
mon max pg per osd = 2000
paxos propose interval = 0.05
paxos min wait = 0.01
${plugins:+plugin dir = $plugins/ceph
erasure code dir = $plugins/ceph/erasure-code}
[mon]
mon data = $dir/mon
[osd]
public addr = 127.0.0.1
osd data = $dir/osd
osd objectstore = $objects
memstore device bytes = 2147483648
bluestore block size = 4294967296
bluestore block db create = false
bluestore fsck on mount = false
osd memory target = 939524096
osd class load list = *
osd class default list = *
osd crush update on start = false
osd class update on start = false
${plugins:+osd class dir = $plugins/rados-classes}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw data = $dir/rgw
rgw num rados handles = 1
rgw thread pool size = 64
rgw enable usage log = false
rgw run sync thread = false
rgw dns name =
CONFIG
}

ceph_() { ceph_program -c "$dir/ceph.conf" --connect-timeout 20 "$@" >>"$dir/log/admin.out" 2>&1; }

# create_user NAME: keys are drawn once for each folder and kept in it.
create_user() {
  local access secret
  access=BRAINY$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n' | tr a-f A-F)
  secret=$(head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n')
  # It waits for ever where the object daemon is down.
  timeout 60 radosgw-admin -c "$dir/ceph.conf" -n client.rgw user create "--uid=$1" \
    "--display-name=$1" "--access-key=$access" "--secret=$secret" >>"$dir/log/admin.out" 2>&1 ||
    give_up "cannot create user $1" admin
  echo "$access $secret" >"$dir/user-$1"
}

create_cluster() {
  mkdir -p "$dir"/{run,log,mon,osd,rgw}
  mon_port=$(free_port)
  osd_uuid=$(cat /proc/sys/kernel/random/uuid)
  write_config
  echo "$port" >"$dir/port"
  monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$dir/ceph.conf")" \
    --addv a "[v2:127.0.0.1:$mon_port]" "$dir/monmap" >>"$dir/log/admin.out"
  ceph-mon -c "$dir/ceph.conf" -i a --mkfs --monmap "$dir/monmap" >>"$dir/log/mon.out" 2>&1
  launch mon ceph-mon -c "$dir/ceph.conf" -i a -f
  wait_for 30 monitor mon ceph_ osd new "$osd_uuid"
  ceph_ osd crush add osd.0 1.0 root=default host=localhost
  ceph-osd -c "$dir/ceph.conf" -i 0 --mkfs --osd-uuid "$osd_uuid" >>"$dir/log/osd.out" 2>&1
  launch osd ceph-osd -c "$dir/ceph.conf" -i 0 -f
  create_user brainy
  create_user other
  touch "$dir/complete"
}

# What was killed comes back: the gateway always, the rest where objects are in files.
revive() {
  port=$(cat "$dir/port")
  pid_of mon >/dev/null || launch mon ceph-mon -c "$dir/ceph.conf" -i a -f
  pid_of osd >/dev/null || launch osd ceph-osd -c "$dir/ceph.conf" -i 0 -f
}

start() {
  ensure_programs
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  exec 9>"$dir/lock"
  flock 9
  trap 'stop_daemons; say "stopped again"' EXIT
  trap 'exit 130' INT TERM HUP
  if [ -e "$dir/complete" ] && { pid_of osd >/dev/null || grep -q 'objectstore = bluestore' "$dir/ceph.conf"; }; then
    revive
  else
    if is_ours; then stop_daemons && rm -rf "$dir"/{run,log,mon,osd,rgw,monmap,complete}; fi
    : "${port:=$(free_port)}"
    is_port_free "$port" || fail "port $port is taken"
    create_cluster
  fi
  if ! pid_of gateway >/dev/null; then
    local variables
    variables=$(clock_environment)
    launch gateway env $variables radosgw -c "$dir/ceph.conf" -n client.rgw -f
    wait_for 60 gateway gateway answers "$port"
  fi
  if [ -n "$owner" ]; then
    mkdir -p "$dir/owners" && touch "$dir/owners/$owner"
    pid_of watch >/dev/null || launch watch "${BASH_SOURCE[0]}" watch --dir "$dir"
  fi
  trap - EXIT INT TERM HUP
  describe
}

describe() {
  local name pids=
  for name in "${daemons[@]}"; do pids+=", \"${name}Pid\": $(pid_of "$name" || echo null)"; done
  local access secret other_access other_secret
  read -r access secret <"$dir/user-brainy"
  read -r other_access other_secret <"$dir/user-other"
  printf '{ "endpoint": "http://127.0.0.1:%s", "accessKeyId": "%s", "secretAccessKey": "%s", ' \
    "$(cat "$dir/port")" "$access" "$secret"
  printf '"other": { "user": "other", "accessKeyId": "%s", "secretAccessKey": "%s" }, "dir": "%s"%s }\n' \
    "$other_access" "$other_secret" "$dir" "$pids"
}

stop() {
  [ -d "$dir" ] || return 0
  dir=$(cd "$dir" && pwd)
  is_ours || fail "$dir is no folder of a server"
  stop_daemons
  rm -rf "$dir"
}

watch() {
  local file
  while :; do
    sleep 1
    is_ours || exit 0
    for file in "$dir"/owners/*; do
      kill -0 "${file##*/}" 2>/dev/null || rm -f "$file"
    done
    # `start` holds the lock while it adds an owner.
    exec 9>>"$dir/lock" || exit 0
    flock 9
    if ! ls "$dir"/owners/* >/dev/null 2>&1; then
      stop
      exit 0
    fi
    exec 9>&-
  done
}

case $command in
  start) start ;;
  stop) stop ;;
  clock) ensure_clock ;;
  watch) watch ;;
  status)
    [ -e "$dir/complete" ] || fail "no server in $dir"
    dir=$(cd "$dir" && pwd)
    for name in "${daemons[@]}"; do pid_of "$name" >/dev/null || fail "$name does not run in $dir"; done
    describe
    ;;
  *) usage ;;
esac
