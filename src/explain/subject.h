// Whose a refused access is.
#pragma once

#include <optional>

#include "audit/initiator.h"
#include "fabric/resolve.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::explain {

// Of the transaction as it was emitted; nullopt if a device made its requester ID up.
[[nodiscard]] std::optional<audit::Initiator> initiator_of(const fabric::Tables& tables,
                                                           const pcie::Transaction& transaction);

// By the requester ID that the refusing component saw, through the look-up tables of `tables`: behind an NTB
// it is a proxy. nullopt if nobody has it. Requester 00:00.0 is the host's processor there; of one of its
// VMs the fault says no more.
[[nodiscard]] std::optional<audit::Initiator> initiator_of(const fabric::Tables& tables,
                                                           const fabric::Fault& fault);

}  // namespace ladon::explain
