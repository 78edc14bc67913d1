// The fields of each message, once for writing and reading: `fields(archive, message)` names them in wire
// order. Only codec.cpp includes this.
#pragma once

#include "host/codec.h"

namespace ladon::host::detail {

template <class A>
void fields(A& a, ConfigRead& m) {
  a.all(m.bdf, m.offset, m.width);
}
template <class A>
void fields(A& a, ConfigWrite& m) {
  a.all(m.bdf, m.offset, m.width, m.value);
}
template <class A>
void fields(A& a, Load& m) {
  a.all(m.at, m.width);
}
template <class A>
void fields(A& a, Store& m) {
  a.all(m.at, m.width, m.value);
}
template <class A>
void fields(A& a, ReadMemory& m) {
  a.all(m.at, m.length);
}
template <class A>
void fields(A& a, WriteMemory& m) {
  a.all(m.at, m.bytes);
}
template <class A>
void fields(A& a, PinMemory& m) {
  a.all(m.file_offset, m.length, m.at, m.owner);
}
template <class A>
void fields(A& a, Unpin& m) {
  a.all(m.pin);
}
template <class A>
void fields(A&, CreateIoDomain&) {}
template <class A>
void fields(A& a, DestroyIoDomain& m) {
  a.all(m.domain);
}
template <class A>
void fields(A& a, AttachRid& m) {
  a.all(m.domain, m.rid);
}
template <class A>
void fields(A& a, DetachRid& m) {
  a.all(m.rid);
}
template <class A>
void fields(A& a, IommuMap& m) {
  a.all(m.domain, m.iova, m.to, m.length, m.access);
}
template <class A>
void fields(A& a, IommuUnmap& m) {
  a.all(m.domain, m.iova, m.length);
}
template <class A>
void fields(A& a, RouteInterrupt& m) {
  a.all(m.rid, m.vector);
}
template <class A>
void fields(A& a, UnrouteInterrupt& m) {
  a.all(m.rid, m.vector);
}
template <class A>
void fields(A& a, SelfInterrupt& m) {
  a.all(m.vector);
}
template <class A>
void fields(A&, Describe&) {}

template <class A>
void fields(A&, Done&) {}
template <class A>
void fields(A& a, Value& m) {
  a.all(m.value);
}
template <class A>
void fields(A& a, Memory& m) {
  a.all(m.bytes);
}
template <class A>
void fields(A& a, Pinned& m) {
  a.all(m.pin, m.at);
}
template <class A>
void fields(A& a, DomainCreated& m) {
  a.all(m.domain);
}
template <class A>
void fields(A& a, MessageRoute& m) {
  a.all(m.address, m.data);
}
template <class A>
void fields(A& a, Description& m) {
  a.all(m.domain, m.dram, m.own_memory, m.mmio32, m.mmio64, m.segments);
}

template <class A>
void fields(A& a, Interrupt& m) {
  a.all(m.vector);
}
template <class A>
void fields(A& a, Fault& m) {
  a.all(m.rid, m.address, m.access, m.reason);
}

template <class A>
void fields(A& a, Hello&) {
  (void)a;
}
template <class A>
void fields(A& a, Welcome& m) {
  a.all(m.accepted);
}

}  // namespace ladon::host::detail
