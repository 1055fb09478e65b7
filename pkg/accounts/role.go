package accounts

import "slices"

// Role is a person's place in a business.
type Role string

// The roles of a business.
const (
	Owner   Role = "OWNER"
	Admin   Role = "ADMIN"
	Manager Role = "MANAGER"
	Staff   Role = "STAFF"
)

// rank orders the roles: nobody changes, or makes, anybody above themselves. Zero for a role that does not exist.
func (r Role) rank() int { return slices.Index([]Role{Staff, Manager, Admin, Owner}, r) + 1 }

// seesAllStorefronts reports whether the role needs no assignment to a storefront.
func (r Role) seesAllStorefronts() bool { return r == Owner || r == Admin }

// AccessRole names the set of permissions that a member has; accounts.role_permission says which. It follows from the Role, except that STAFF may be one of two.
type AccessRole string

// The access roles that STAFF may have. Cashier is the default.
const (
	Cashier        AccessRole = "CASHIER"
	WarehouseStaff AccessRole = "WAREHOUSE_STAFF"
)

// Permission is one thing that a person may do, by the name the Django application gave it. Who has it is data: accounts.role_permission.
type Permission string

// The permissions in a business.
const (
	CreateSales       Permission = "can_create_sales"
	ViewSales         Permission = "can_view_sales"
	ApproveSales      Permission = "can_approve_sales"
	DeleteSales       Permission = "can_delete_sales"
	ManageProducts    Permission = "can_manage_products"
	ViewInventory     Permission = "can_view_inventory"
	ViewProducts      Permission = "can_view_products"
	UpdateStock       Permission = "can_update_stock"
	ManageCustomers   Permission = "can_manage_customers"
	ViewCustomers     Permission = "can_view_customers"
	ViewReports       Permission = "can_view_reports"
	ExportReports     Permission = "can_export_reports"
	ManageUsers       Permission = "can_manage_users"
	InviteUsers       Permission = "can_invite_users"
	ManageSettings    Permission = "can_manage_settings"
	ViewFinancialData Permission = "can_view_financial_data"
	ManagePayments    Permission = "can_manage_payments"
)

// The permissions on the platform, which no role of a business has.
const (
	ManagePlatform      Permission = "can_manage_platform"
	ManageSubscriptions Permission = "can_manage_subscriptions"
	ViewPlatformStats   Permission = "can_view_platform_stats"
	ManagePlans         Permission = "can_manage_plans"
)

// AllPermissions returns every permission there is. The caller owns the slice.
func AllPermissions() []Permission {
	return append([]Permission{
		CreateSales, ViewSales, ApproveSales, DeleteSales, ManageProducts, ViewInventory, ViewProducts, UpdateStock, ManageCustomers, ViewCustomers,
		ViewReports, ExportReports, ManageUsers, InviteUsers, ManageSettings, ViewFinancialData, ManagePayments,
	}, PlatformPermissions()...)
}

// PlatformPermissions returns the permissions that need no business. The caller owns the slice.
func PlatformPermissions() []Permission {
	return []Permission{ManagePlatform, ManageSubscriptions, ViewPlatformStats, ManagePlans}
}
