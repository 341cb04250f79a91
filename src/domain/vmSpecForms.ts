/** For the help of commands. */
export const VM_SPEC_FORMS =
  'name:<name>, ipaddr:<address or DNS name>, uuid:<bios uuid>, moref:<id>; for many powerstate:on|off|suspended, any:, none:';
