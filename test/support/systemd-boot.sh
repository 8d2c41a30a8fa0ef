#!/usr/bin/env bash
# systemd as PID 1 of namespaces of its own, with no unit but those of a directory:
#   systemd-boot.sh CHECKOUT UNITS CONFIG
# Nothing of the machine can be written from within: the root is read-only, /tmp, /run, /home and the
# like are empty file systems of its own, /etc and /var have what is there below what is written.
set -euo pipefail
if [ "${1:-}" != --within ]; then
  # A branch of the control groups for it alone.
  hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
  group=$hierarchy/gwproxy-boot-$$
  mkdir "$group"
  echo $$ >"$group/cgroup.procs"
  exec unshare --pid --fork --kill-child --mount --net --cgroup --uts --ipc "$0" --within "$@"
fi
shift
checkout=$1 units=$2 config=$3

mount --make-rprivate /
scratch=/mnt
mount -t tmpfs scratch $scratch
mkdir $scratch/{checkout,units,config,etc,etc-work,var,var-work}
mount --bind "$checkout" $scratch/checkout
mount -o remount,bind,ro $scratch/checkout
cp -r "$units"/. $scratch/units
cp -r "$config"/. $scratch/config
for directory in etc var; do
  options=lowerdir=/$directory,upperdir=$scratch/$directory,workdir=$scratch/$directory-work
  mount -t overlay overlay -o "$options" /$directory
done
for directory in tmp run home root opt usr/local/bin; do
  mount -t tmpfs own "/$directory"
done
mount -o remount,bind,ro /
mount -t proc proc /proc
mount -o bind,ro /proc/sys /proc/sys
while mountpoint -q /sys/fs/cgroup && umount -R /sys/fs/cgroup; do :; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup

mkdir /opt/gwproxy /run/generators /run/systemd
mount --bind $scratch/checkout /opt/gwproxy
mount -o remount,bind,ro /opt/gwproxy
ln -s /opt/gwproxy/bin/gwproxy /usr/local/bin/gwproxy
rm -rf /etc/gwproxy && cp -r $scratch/config /etc/gwproxy && chmod -R a+rX /etc/gwproxy
rm -rf /etc/systemd/system && cp -r $scratch/units /etc/systemd/system
: >/etc/machine-id
systemd-sysusers /opt/gwproxy/packaging/systemd/gwproxy.sysusers
ip link set lo up
# What systemd mounts for a unit (credentials) is to be seen by it.
mount --make-rshared /

export SYSTEMD_UNIT_PATH=/etc/systemd/system SYSTEMD_GENERATOR_PATH=/run/generators container=gwproxy
exec /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no
